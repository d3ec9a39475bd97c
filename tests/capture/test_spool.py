"""`instrument(sidecar=…)` and `instrument(ledger=…)`: real calls, in every kind of process, to where they belong."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import tollkeeper
from capture.processes import ASK, environment, run, total
from storage.spool.receiver import FINE, Receiver
from tollkeeper import Call, ConfigurationError
from tollkeeper.simulator import Simulator
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger import CallQuery, UsageQuery
from tollkeeper.storage.ledger.sql import SqlLedger
from tollkeeper.telemetry.reading import decode

QUESTION: Any = [{"role": "user", "content": "Hello"}]
EVER = UsageQuery(0, 2**62)

Start = Callable[..., tollkeeper.Instrumentation]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def client(simulator: Simulator) -> openai.OpenAI:
    return openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0)


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, **more)


def left(folder: Path) -> list[Path]:
    # Not `rglob`, which fails when a folder goes away under it.
    return [Path(where, name) for where, _, names in os.walk(folder) for name in names]


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while left(folder):
        assert time.monotonic() < deadline, left(folder)
        time.sleep(0.01)


def test_calls_reach_the_sidecar_as_they_are(
    instrumented: Start, client: openai.OpenAI, calls: list[Call], receiver: Receiver, tmp_path: Path
) -> None:
    handle = instrumented(sidecar=receiver.url, sidecar_key="k-1", spool=tmp_path, service_name="shop")
    with tollkeeper.tags(tenant="acmé"):
        ask(client)
        list(ask(client, stream=True))
    with pytest.raises(openai.APIStatusError):
        ask(client, extra_headers={"X-Simulator": "status=429"})
    assert handle.flush(10)
    assert [decode(text) for text in receiver.calls.values()] == calls
    assert len(calls) == 3
    assert receiver.requests[0]["headers"]["Authorization"] == "Bearer k-1"
    attributes = receiver.requests[0]["resourceLogs"][0]["resource"]["attributes"]
    told = {each["key"]: each["value"]["stringValue"] for each in attributes}
    assert (told["service.name"], told["process.pid"]) == ("shop", str(os.getpid()))
    assert handle.spool is not None
    assert (handle.spool.records, handle.spool.shipped, handle.spool.dropped) == (0, 3, 0)
    tollkeeper.uninstrument()
    wait_until_gone(tmp_path)
    assert receiver.started == {}


def test_uninstrument_leaves_nothing_behind(
    instrumented: Start, client: openai.OpenAI, receiver: Receiver, tmp_path: Path
) -> None:
    instrumented(sidecar=receiver.url, spool=tmp_path)
    for _ in range(5):
        ask(client)
    tollkeeper.uninstrument()
    assert len(receiver.calls) == 5
    wait_until_gone(tmp_path)


def test_a_stream_that_ends_after_uninstrument_is_delivered(
    instrumented: Start, client: openai.OpenAI, receiver: Receiver, tmp_path: Path
) -> None:
    instrumented(sidecar=receiver.url, spool=tmp_path)
    stream = ask(client, stream=True)
    next(stream)
    tollkeeper.uninstrument()
    assert receiver.calls == {}
    list(stream)
    wait_until_gone(tmp_path)
    assert len(receiver.calls) == 1
    assert receiver.started == {}


def test_without_a_sidecar_there_is_no_spool(instrumented: Start, client: openai.OpenAI) -> None:
    handle = instrumented()
    ask(client)
    assert handle.spool is None
    assert handle.flush()


def test_without_a_sidecar_nothing_of_the_spool_is_loaded() -> None:
    program = """
import sys, tollkeeper
with tollkeeper.instrument():
    pass
print([name for name in sys.modules if name.startswith(("tollkeeper.storage", "sqlalchemy", "http.client"))])
"""
    assert run(program, environment("")) == "[]\n"


def test_calls_are_kept_while_the_sidecar_is_away(
    instrumented: Start, client: openai.OpenAI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    socket = tmp_path / "sidecar.sock"
    with caplog.at_level(logging.WARNING):
        handle = instrumented(sidecar=f"unix://{socket}", spool=tmp_path / "spool")
        for _ in range(3):
            ask(client)
        assert not handle.flush(0.3)
    assert handle.spool is not None and handle.spool.records == 3 and handle.spool.failure
    assert caplog.text.count("the sidecar cannot be reached") == 1
    with Receiver(socket) as receiver:
        assert handle.flush(10)
        assert len(receiver.calls) == 3


def test_the_embedded_form_is_a_ledger(
    instrumented: Start, client: openai.OpenAI, calls: list[Call], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'usage.db'}"
    handle = instrumented(ledger=url, spool=tmp_path / "spool")
    with tollkeeper.tags(tenant="acme"):
        for _ in range(4):
            ask(client)
    assert handle.flush(10)
    database = Database(url)
    ledger = SqlLedger(database)
    (row,) = ledger.usage(EVER)
    assert (row.totals.calls, row.totals.unpriced) == (4, 0)
    assert row.totals.nano_usd == sum(call.cost.nano_usd for call in calls if call.cost is not None) > 0
    page, _ = ledger.calls(CallQuery())
    assert {each["id"] for each in page} == {call.id for call in calls}
    database.close()


def test_the_spool_is_on_the_metrics(
    instrumented: Start, client: openai.OpenAI, receiver: Receiver, tmp_path: Path
) -> None:
    gate = threading.Event()
    receiver.behave = lambda body: FINE if gate.is_set() else (503, {}, b"")
    reader = InMemoryMetricReader()
    handle = instrumented(sidecar=receiver.url, spool=tmp_path, prometheus=True, meter_provider=MeterProvider([reader]))
    ask(client)
    ask(client)

    def told() -> list[float]:
        text, data = handle.render_metrics()[0].decode(), reader.get_metrics_data()
        names = ("records", "bytes", "dropped", "rejected")
        by_otel = {
            metric.name: point.value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name.startswith("tollkeeper.spool.")
            for point in metric.data.data_points
        }
        found = [total(text, f"tollkeeper_spool_{name}") for name in names[:2]]
        found += [total(text, f"tollkeeper_spool_{name}_total") for name in names[2:]]
        assert [by_otel[f"tollkeeper.spool.{name}"] for name in names] == found
        return found

    records, size, dropped, rejected = told()
    assert (records, dropped, rejected) == (2, 0, 0)
    assert size == sum(path.stat().st_size for path in tmp_path.rglob("*.segment"))
    gate.set()
    assert handle.flush(10)
    assert told()[0] == 0


def test_background_responses_are_no_orphans(
    instrumented: Start, client: openai.OpenAI, receiver: Receiver, tmp_path: Path
) -> None:
    """Their id becomes that of the response: the mark has another."""
    handle = instrumented(sidecar=receiver.url, spool=tmp_path)
    response = client.responses.create(model="gpt-4o-mini", input="Hello", background=True)
    client.responses.retrieve(response.id)
    assert handle.flush(10)
    assert handle._shipping is not None
    assert not len(handle._shipping.spool._writer.marks)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sidecar": "127.0.0.1:4318"}, "sidecar"),
        ({"sidecar": "ftp://host"}, "expected http://HOST:PORT"),
        ({"sidecar": "http://me:secret@host"}, "without a user"),
        ({"sidecar": "http://host:99999"}, "expected http://HOST:PORT"),
        ({"sidecar": "unix://relative.sock"}, "unix:///PATH"),
        ({"ledger": "usage.db"}, "ledger"),
        ({"ledger": "mysql://host/x"}, "there are sqlite and postgresql"),
        ({"sidecar": "http://host", "ledger": "sqlite:///x.db"}, "expected one of them"),
        ({"spool_max_bytes": 100}, "65536 at the least"),
        ({"spool_when_full": "panic"}, "drop_oldest or block"),
        ({"sidecar": "http://host", "spool": "/dev/null/x"}, "spool is '/dev/null/x"),
    ],
)
def test_wrong_options(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        tollkeeper.instrument(**options)
    assert tollkeeper.capture.instrumentation._current is None


def test_a_wrong_key_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        tollkeeper.instrument(sidecar="http://host", sidecar_key="my secret\n")
    assert "sidecar_key" in str(caught.value)
    assert "my secret" not in str(caught.value)


def test_settings_do_not_show_the_key(instrumented: Start, receiver: Receiver, tmp_path: Path) -> None:
    handle = instrumented(sidecar=receiver.url, sidecar_key="k-1", spool=tmp_path)
    assert "k-1" not in repr(handle.settings)


START = f"""
import os, sys
import tollkeeper
{ASK}
handle = tollkeeper.instrument()
"""


def program_environment(simulator: Simulator, receiver: Receiver, folder: Path) -> dict[str, str]:
    return environment(
        simulator.base_url("openai"), TOLLKEEPER_SIDECAR=receiver.url, TOLLKEEPER_SPOOL=str(folder / "spool")
    )


@pytest.mark.parametrize("end", ["", "raise SystemExit(0)"])
def test_calls_have_left_when_the_process_ends(
    simulator: Simulator, receiver: Receiver, tmp_path: Path, end: str
) -> None:
    run(f"{START}\nask()\nask()\n{end}", program_environment(simulator, receiver, tmp_path))
    assert len(receiver.calls) == 2
    assert left(tmp_path / "spool") == []


def test_a_process_does_not_wait_for_a_sidecar_that_is_away(simulator: Simulator, tmp_path: Path) -> None:
    """What it leaves, the next process delivers."""
    with Receiver() as receiver:
        env = program_environment(simulator, receiver, tmp_path)
    port = int(receiver.url.rpartition(":")[2])
    run(f"{START}\nask()\nask()", env)
    assert len(left(tmp_path / "spool")) >= 2
    with Receiver(port=port) as receiver:
        run(f"{START}\nask()", env)
        assert len(receiver.calls) == 3
        assert left(tmp_path / "spool") == []


def test_forked_children_have_segments_of_their_own(simulator: Simulator, receiver: Receiver, tmp_path: Path) -> None:
    program = f"""{START}
ask()
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        ask()
        ask()
        handle.flush()
        os._exit(0)
    children.append(child)
ask()
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
"""
    run(program, program_environment(simulator, receiver, tmp_path))
    # A child that ends right after its flush may leave what was acknowledged to its heir, who delivers it again.
    assert (len(receiver.calls), receiver.conflicts) == (8, [])
    pids = set()
    for request in receiver.requests:
        for resource in request["resourceLogs"]:
            pids |= {
                each["value"]["stringValue"]
                for each in resource["resource"]["attributes"]
                if each["key"] == "process.pid"
            }
    assert len(pids) == 4
    run(START, program_environment(simulator, receiver, tmp_path))
    assert left(tmp_path / "spool") == []


def test_a_child_that_vanishes_is_inherited_from(simulator: Simulator, receiver: Receiver, tmp_path: Path) -> None:
    program = f"""{START}
ask()
child = os.fork()
if child == 0:
    ask()
    os._exit(0)
os.waitpid(child, 0)
"""
    env = program_environment(simulator, receiver, tmp_path)
    run(program, env)
    run(START, env)
    assert len(receiver.calls) == 2
    assert left(tmp_path / "spool") == []


@pytest.mark.skipif(sys.platform != "linux", reason="fork and forkserver")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_deliver_before_they_end(
    method: str, simulator: Simulator, receiver: Receiver, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"""{START.replace("handle = ", "")}
import multiprocessing
def work():
    ask()

if __name__ == "__main__":
    ask()
    workers = [multiprocessing.get_context({method!r}).Process(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
""")
    run([sys.executable, str(program)], program_environment(simulator, receiver, tmp_path))
    assert len(receiver.calls) == 3
    assert left(tmp_path / "spool") == []


LOAD = f"""{START}
import threading
def work():
    client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any")
    while True:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Hello"}}])
for _ in range(4):
    threading.Thread(target=work).start()
"""


@pytest.mark.parametrize("seed", range(2))
def test_an_app_that_is_killed_under_load(simulator: Simulator, tmp_path: Path, seed: int) -> None:
    """Each call that has reached the provider is in the ledger, once, or is an orphan."""
    url, chance, threads, lives = f"sqlite:///{tmp_path / 'usage.db'}", random.Random(seed), 4, 2
    env = environment(
        simulator.base_url("openai"), TOLLKEEPER_EMBEDDED_LEDGER=url, TOLLKEEPER_SPOOL=str(tmp_path / "spool")
    )
    for _ in range(lives):
        enough, deadline = len(simulator.requests) + 1 + chance.randrange(150), time.monotonic() + 60
        process = subprocess.Popen([sys.executable, "-c", LOAD], env=env, stderr=subprocess.DEVNULL)
        while len(simulator.requests) < enough:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    run(f"{START}\nask()\nwhile handle.spool.records: handle.flush(1)", env)
    database = Database(url)
    ledger = SqlLedger(database)
    (row,) = ledger.usage(EVER)
    orphans = ledger.orphans(1000)
    database.close()
    served = len(simulator.requests)
    assert row.totals.calls <= served <= row.totals.calls + len(orphans)
    assert len(orphans) <= lives * threads
    assert row.totals.unpriced == row.totals.unmeasured == row.totals.failed == 0
    assert left(tmp_path / "spool") == []
