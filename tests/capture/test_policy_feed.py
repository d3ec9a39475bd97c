"""An app without a policy of its own goes by the sidecar's, and by each later version of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

import tollkeeper
from capture.processes import environment, run, total
from sidecar.api.serving import serving
from sidecar.api.world import World
from sidecar.running import running
from storage.spool.receiver import Receiver
from tollkeeper.capture.policy_feed import PolicyFeed
from tollkeeper.config import ConfigurationError
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.simulator import Simulator

FEW = Policy("few", (Limit("few", "requests", 2, Window("day")),))
NONE = Policy("none")


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with serving(world.app) as address:
        yield address


def test_a_change_reaches_the_app_with_the_next_question(world: World, url: str) -> None:
    seen: list[Policy] = []
    feed = PolicyFeed(url, seen.append, key=world.key("write"))
    assert feed.pause() <= 1, "while nothing is known, calls go without a limit"
    assert feed.poll() and seen == [Policy()]
    assert feed.pause() > 20
    assert not feed.poll(), "it is the same still"
    world.policies.set(FEW, author="ann", reason="x")
    assert feed.poll() and not feed.poll()
    assert seen == [Policy(), FEW]


def test_an_app_that_starts_while_the_sidecar_is_away_goes_by_its_last_limits(
    world: World, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "spool" / "policy.json"
    world.policies.set(FEW, author="ann", reason="x")
    assert PolicyFeed(url, lambda policy: None, key=world.key("write"), snapshot=kept).poll()
    seen: list[Policy] = []
    feed = PolicyFeed("http://127.0.0.1:9", seen.append, snapshot=kept)
    assert seen == [FEW]
    assert not feed.poll() and seen == [FEW]
    kept.write_text("{")
    PolicyFeed("http://127.0.0.1:9", seen.append, snapshot=kept)
    assert seen == [FEW] and "the sidecar's limits of before cannot be read" in caplog.text
    assert [file.name for file in kept.parent.iterdir()] == ["policy.json"]


@pytest.mark.parametrize("until", ["allow", "deny"])
def test_until_any_limits_are_known_the_option_decides(
    until: str,
    instrumented: Callable[..., tollkeeper.Instrumentation],
    world: World,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The sidecar is away, and nothing is kept of before: as in a fresh container."""
    world.policies.set(FEW, author="ann", reason="x")
    path = str(tmp_path / "sidecar.sock")
    with Simulator() as simulator:
        app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)

        def ask() -> None:
            app.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])

        handle = instrumented(
            providers=["openai"], sidecar=f"unix://{path}", sidecar_key=world.key("write"), counters="memory:",
            spool=tmp_path / "spool", until_limits_known=until, prometheus=True,
        )  # fmt: skip
        if until == "allow":
            ask()
        else:
            with pytest.raises(openai.RateLimitError, match="limit 'limits-unknown'.* allows nothing"):
                ask()
        assert len(simulator.requests) == (until == "allow")
        (told,) = [each.getMessage() for each in caplog.records if "limits cannot be had" in each.getMessage()]
        assert "those from before" not in told
        assert ("all calls are denied" if until == "deny" else "no call is limited or counted") in told
        assert total(handle.render_metrics()[0].decode(), "tollkeeper_limits_unknown") == 1
        (feed,) = [each for each in handle._recurring if isinstance(each, PolicyFeed)]
        with serving(world.app, path):
            assert feed.poll()
        assert total(handle.render_metrics()[0].decode(), "tollkeeper_limits_unknown") == 0
        ask(), ask()
        with pytest.raises(openai.RateLimitError, match="limit 'few'"):
            ask()
        caplog.clear()
        feed._away = False
        assert not feed.poll() and "those from before stay in force" in caplog.text
        Path(path).unlink(missing_ok=True)
        with Receiver(Path(path)) as receiver:
            assert handle.flush(10)
        assert receiver.calls


def test_where_the_sidecars_counters_are_away_too_calls_are_denied(
    instrumented: Callable[..., tollkeeper.Instrumentation], tmp_path: Path
) -> None:
    with Simulator() as simulator:
        instrumented(
            providers=["openai"], sidecar=f"unix://{tmp_path}/nobody.sock", spool=tmp_path / "spool",
            until_limits_known="deny",
        )  # fmt: skip
        app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)
        with pytest.raises(openai.RateLimitError, match="limits-unknown") as caught:
            app.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
        assert caught.value.response.headers["retry-after"] == "1"
        assert not simulator.requests


def test_a_sidecar_that_takes_its_time_is_told_of_once(
    instrumented: Callable[..., tollkeeper.Instrumentation], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        instrumented(
            providers=["openai"], sidecar=f"http://127.0.0.1:{mute.getsockname()[1]}", spool=tmp_path / "spool"
        )
        told = [each.getMessage() for each in caplog.records if "limits" in each.getMessage()]
        assert told == [
            "the sidecar's limits are not there yet, and no call is limited or counted until they are known "
            "(until_limits_known)"
        ]


def test_what_else_is_said_of_that_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"until_limits_known=….* is 'local'; expected allow or deny"):
        tollkeeper.instrument(until_limits_known="local")


def test_limits_that_were_kept_are_known(world: World, url: str, tmp_path: Path) -> None:
    kept = tmp_path / "policy.json"
    feed = PolicyFeed(url, lambda policy: None, key=world.key("write"), snapshot=kept)
    assert not feed.known
    assert feed.poll() and feed.known
    assert PolicyFeed("http://127.0.0.1:9", lambda policy: None, snapshot=kept).known


def test_without_a_key_nothing_changes(world: World, url: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Policy] = []
    world.policies.set(FEW, author="ann", reason="x")
    feed = PolicyFeed(url, seen.append, key="tk_no_good")
    assert not feed.poll() and feed.first(0)
    assert seen == [] and "the sidecar's limits cannot be had" in caplog.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"document": 1}', b'{"document": {"limit": [{"limit": 1}]}}'])
def test_what_is_no_policy_changes_nothing(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Policy] = []
    feed = PolicyFeed("http://127.0.0.1:9", seen.append)
    monkeypatch.setattr(feed, "_ask", lambda: (200, '"1"', body))
    assert not feed.poll()
    monkeypatch.setattr(feed, "_ask", lambda: (200, '"2"', json.dumps({"document": {"limit": []}}).encode()))
    assert feed.poll() and seen == [Policy()]


def test_a_gate_goes_by_what_is_brought(instrumented: Callable[..., tollkeeper.Instrumentation]) -> None:
    with Simulator() as simulator:
        handle = instrumented(providers=["openai"], policy=NONE)
        app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)

        def ask() -> None:
            app.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])

        ask()
        gate = handle._emitter.gate
        assert gate is not None
        gate.use(FEW)
        ask(), ask()
        with pytest.raises(openai.RateLimitError, match="limit 'few'"):
            ask()
        gate.use(NONE)
        ask()
        assert len(simulator.requests) == 4


def test_many_may_ask_first_at_once(world: World, url: str) -> None:
    """Two feeds of one app do: the sidecar's description of itself is made before."""
    feeds = [PolicyFeed(url, lambda policy: None, key=world.key("write")) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda feed: feed.poll(), feeds))


def test_a_policy_of_its_own_wins(
    instrumented: Callable[..., tollkeeper.Instrumentation], world: World, url: str, tmp_path: Path
) -> None:
    world.policies.set(FEW, author="ann", reason="x")
    handle = instrumented(policy=NONE, sidecar=url, sidecar_key=world.key("write"), spool=tmp_path / "spool")
    assert not any(isinstance(each, PolicyFeed) for each in handle._recurring)


def test_a_real_sidecar_with_a_file(tmp_path: Path) -> None:
    """`tollkeeper serve --policy` puts a file in force; an app of another process goes by it."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[[limit]]\nlimit = "1 request / day"\n')
    with (
        Simulator(seed=1) as simulator,
        running(f"sqlite:///{tmp_path}/ledger.db", tmp_path, "--policy", str(policy)) as sidecar,
    ):
        state = sidecar.get("/api/v1/policy")
        assert (state["version"], state["author"], state["reason"]) == (1, "file", str(policy))
        told = run(
            """
import os, openai, tollkeeper
tollkeeper.instrument(providers=["openai"])
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="any", max_retries=0)
for _ in range(2):
    try:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
        print("answered")
    except tollkeeper.Denied as denied:
        print(denied.limit.name)
""",
            environment(
                f"{simulator.url}/v1", None, TOLLKEEPER_SIDECAR=sidecar.url, TOLLKEEPER_SPOOL=str(tmp_path / "spool")
            ),
        )
        assert told.splitlines()[:2] == ["answered", "requests-day"]
