"""`tollkeeper serve`, as its users start it: a real process, a real app that reports to it, questions over HTTP."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest

from capture.processes import ASK, environment, get, run, total
from services.ports import free_port
from sidecar.receive.bodies import logs
from sidecar.running import SECONDS, Sidecar, running
from tollkeeper.cli.main import main
from tollkeeper.cli.serve import SHUTDOWN_SECONDS
from tollkeeper.sidecar.main import BOARD_SECONDS
from tollkeeper.simulator import Simulator
from tollkeeper.telemetry.record import LOST_EVENT

APP = (
    """
import tollkeeper
handle = tollkeeper.instrument(providers=["openai"])
"""
    + ASK
    + """
with tollkeeper.tags(tenant="acme", feature="search"):
    for _ in range(5):
        ask()
assert handle.flush(30), "not all was taken"
"""
)


def app(simulator: Simulator, sidecar: str, folder: Path, **more: str) -> None:
    """Five calls of an app that reports to a sidecar."""
    env = environment(simulator.url + "/v1", None, TOLLKEEPER_SIDECAR=sidecar, TOLLKEEPER_SPOOL=str(folder), **more)
    run(APP, env)


def test_a_page_that_is_open_does_not_keep_the_sidecar(tmp_path: Path) -> None:
    """Whoever stops it, such as Docker, waits ten seconds; what it has in hand is put in order before."""
    with running(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as sidecar:
        with urllib.request.urlopen(f"{sidecar.url}/live", timeout=SECONDS) as events:
            assert events.readline() == b"retry: 5000\n"
            begun = time.monotonic()
            assert sidecar.stop() == 0 and time.monotonic() - begun < SHUTDOWN_SECONDS / 2
        assert "Traceback" not in sidecar.log.read_text()


def test_an_app_a_sidecar_and_questions(empty_database_url: str, tmp_path: Path) -> None:
    """What five calls used and cost, in the statistics, in the log of calls and on `/metrics`."""
    with Simulator(seed=1) as simulator, running(empty_database_url, tmp_path) as sidecar:
        app(simulator, sidecar.url, tmp_path / "spool")
        stats = sidecar.get("/api/v1/stats")
        calls = sidecar.get("/api/v1/calls?tenant=acme&limit=10")["calls"]
        metrics = sidecar.get("/metrics")
        assert sidecar.stop() == 0
    assert stats["total_requests"] == len(calls) == 5
    nano = sum(
        (call["prompt_tokens"] - (call["cache_read_tokens"] or 0)) * 150
        + (call["cache_read_tokens"] or 0) * 75
        + call["completion_tokens"] * 600
        for call in calls
    )
    assert stats["total_cost_nano_usd"] == nano == sum(call["cost_nano_usd"] for call in calls)
    assert total(metrics, "tollkeeper_ledger_calls_total", tenant="acme", outcome="succeeded") == 5
    assert total(metrics, "tollkeeper_ledger_cost_usd_total") == pytest.approx(nano / 1e9)
    assert total(metrics, "tollkeeper_sidecar_records_total", outcome="new") == 5


def test_several_workers_and_a_unix_socket(tmp_path: Path) -> None:
    """Workers share the port, the socket and the ledger; each one's `/metrics` has the figures of all."""
    path = tmp_path / "tollkeeper.sock"
    grpc = str(free_port())
    with (
        Simulator(seed=2) as simulator,
        running(
            f"sqlite:///{tmp_path}/ledger.db", tmp_path, "--workers", "2", "--socket", str(path), "--grpc-port", grpc
        ) as sidecar,
    ):
        for number in range(3):
            app(simulator, f"unix://{path}", tmp_path / f"spool{number}")
        assert sidecar.get("/api/v1/stats")["total_requests"] == 15
        seen = {total(sidecar.get("/metrics"), "tollkeeper_ledger_calls_total") for _ in range(6)}
        assert seen == {15}
        assert sidecar.stop() == 0
    assert not path.exists()


def test_what_was_lost_on_the_way(tmp_path: Path) -> None:
    """What spools had to drop, and what could not be sent on, on `/metrics` and in the overview, of all workers."""
    with (
        Simulator(seed=6) as no_collector,
        running(
            f"sqlite:///{tmp_path}/ledger.db", tmp_path, "--workers", "2", "--forward", no_collector.url
        ) as sidecar,
    ):
        for dropped in range(1, 13):
            for spool in ("a" * 32, "b" * 32):
                lost = {"name": LOST_EVENT, "body": json.dumps({"spool": spool, "dropped": dropped})}
                body = logs(lost, scope="tollkeeper").SerializeToString()
                assert _post_log(sidecar.port, {"Content-Type": "application/x-protobuf"}, body) == 200
        time.sleep(2 * BOARD_SECONDS)
        for _ in range(4):
            metrics, overview = sidecar.get("/metrics"), sidecar.get("/api/v1/overview")
            assert total(metrics, "tollkeeper_sidecar_lost_records_total") == 24
            refused = {"signal": "logs", "reason": "refused"}
            assert total(metrics, "tollkeeper_sidecar_forward_dropped_requests_total", **refused) == 24
            assert total(metrics, "tollkeeper_sidecar_forward_waiting_requests") == 0
            assert {spool["name"]: spool["dropped"] for spool in overview["spools"]} == {"a" * 32: 12, "b" * 32: 12}
            assert all(spool["seen_at"] >= overview["started_at"][:10] for spool in overview["spools"])
            assert "an app has dropped records: its spool or its disk was full" in overview["attention"]
            assert overview["forwarding"]["sent"] == 0
        assert sidecar.stop() == 0


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """A sidecar that was killed can be started again on its ports, and has what it had taken."""
    arguments = ("--workers", "2", "--socket", str(tmp_path / "tollkeeper.sock"), "--grpc-port", str(free_port()))
    with Simulator(seed=5) as simulator, running(f"sqlite:///{tmp_path}/ledger.db", tmp_path, *arguments) as sidecar:
        app(simulator, sidecar.url, tmp_path / "spool")
        workers = _children(sidecar)
        assert len(workers) >= 2
        sidecar.kill()
        until = time.monotonic() + 15
        while (left := [pid for pid in workers if _lives(pid)]) and time.monotonic() < until:
            time.sleep(0.05)
        assert not left
        sidecar.start()
        assert sidecar.get("/api/v1/stats")["total_requests"] == 5
        assert sidecar.stop() == 0


def _children(sidecar: Sidecar) -> list[int]:
    assert sidecar.process is not None
    pid = sidecar.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        # What has ended and was not waited for yet is a zombie.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_keys_are_asked_for(tmp_path: Path) -> None:
    """The first key is printed once, and opens everything; without one nothing but the liveness probe answers."""
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with Simulator(seed=3) as simulator, running(ledger, tmp_path, "--require-keys", "true") as sidecar:
        (line,) = (line for line in sidecar.log.read_text().splitlines() if "first key" in line)
        key = line.rpartition(" ")[2]
        for path in ("/api/v1/stats", "/metrics"):
            with pytest.raises(OSError, match="401"):
                sidecar.get(path)
        assert _post_log(sidecar.port, {}) == 401
        app(simulator, sidecar.url, tmp_path / "spool", TOLLKEEPER_SIDECAR_KEY=key)
        assert sidecar.get("/api/v1/stats", Authorization=f"Bearer {key}")["total_requests"] == 5
        assert "tollkeeper_build_info" in sidecar.get("/metrics", Authorization=f"Bearer {key}")
        sidecar.stop()
        sidecar.start()
        assert sidecar.log.read_text().count("first key") == 1


FOLLOWER = """
import os, time, openai, tollkeeper
calls = []
tollkeeper.instrument(providers=["openai"], on_call=calls.append, hosts={"127.0.0.1": "vllm"})
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any")
until = time.monotonic() + 30
while not (calls and calls[-1].cost) and time.monotonic() < until:
    client.chat.completions.create(model="house-model-7b", messages=[{"role": "user", "content": "Hello"}])
    time.sleep(0.05)
cost = calls[-1].cost
print(cost.source, cost.price_version, cost.usd == calls[-1].usage.input_tokens * 3 / tollkeeper_decimal(10**6))
""".replace("tollkeeper_decimal", "__import__('decimal').Decimal")


def test_apps_have_the_sidecars_prices(tmp_path: Path) -> None:
    """What is put into the price book is in force in the apps too, without a restart of either.

    An app has a key of the scope `write`: it sends usage with it, and reads the prices.
    """
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with Simulator(seed=4) as simulator, running(ledger, tmp_path, "--require-keys", "true") as sidecar:
        env = environment(
            simulator.url + "/v1", TOLLKEEPER_SIDECAR=sidecar.url, TOLLKEEPER_SPOOL=str(tmp_path / "spool")
        )

        def tollkeeper(*arguments: str) -> str:
            return run([sys.executable, "-m", "tollkeeper", *arguments], env).partition("\n")[0]

        directly = ("--ledger", ledger)
        admin, writer = (tollkeeper("keys", "create", of, "--scope", of, *directly) for of in ("admin", "write"))
        fields = ("provider=vllm", "model=house-*", "input=3", "output=0")
        tollkeeper("prices", "add", "--url", sidecar.url, "--key", admin, "--reason", "own hardware", *fields)
        assert run(FOLLOWER, {**env, "TOLLKEEPER_SIDECAR_KEY": writer}).split() == ["overlay", "price", "1", "True"]


def _post_log(port: int, headers: dict[str, str], body: bytes = b"{}") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("POST", "/v1/logs", body, {"Content-Type": "application/json", **headers})
    return connection.getresponse().status


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--port", "high", "--workers", "0"],
            ["port=… is 'high'; expected a port number", "workers=… is '0'; expected a whole number above zero"],
        ),
        (["--ledger", "mysql://x/y"], ["'mysql' is no database that is supported; there are sqlite and postgresql"]),
        (["--ledger", "postgresql://nobody@127.0.0.1:1/none"], ["refused"]),
        (["--config", "/nowhere.toml"], ["/nowhere.toml: cannot be read"]),
    ],
)
def test_a_wrong_option_is_told(
    arguments: list[str],
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *arguments]) in (1, 2)
    said = capsys.readouterr().err
    assert [each for each in told if each not in said] == []


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "tollkeeper", "serve", "--port", str(port), "--grpc-port", "off"]
        done = subprocess.run(
            command, env=environment(""), cwd=tmp_path, timeout=SECONDS, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr


def test_the_page_tells_where_things_are(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path}/ledger.db", tmp_path) as sidecar:
        assert "Overview · Tollkeeper" in get(sidecar.url)
        page = sidecar.url + "/api/v1/docs"
        files = re.findall(r'(?:href|src|url:) ?=? ?["\']([^"\']+)', text := get(page))
        assert "Tollkeeper" in text and len(files) == 4
        for file in files:
            where = urljoin(page, file)
            assert where.startswith(sidecar.url), "there may be no internet"
            with urllib.request.urlopen(where, timeout=SECONDS) as answer:
                assert answer.status == 200 and len(answer.read()) > 1000
