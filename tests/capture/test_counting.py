"""Apps that share their counters: through the sidecar or a file, in several processes; and a sidecar that goes away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import openai
import pytest

import tollkeeper
from capture.processes import ASK, environment
from sidecar.running import SECONDS, Sidecar
from tollkeeper.config import ConfigurationError
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.simulator import Simulator
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.counters.remote import RemoteCounters

MOST = 200
POLICY = f"""
[[limit]]
name = "calls"
limit = "{MOST} requests / day"
"""
APP = (
    ASK
    + """
import sys, tollkeeper
went, options = 0, dict(pair.split("=", 1) for pair in sys.argv[1:])
tollkeeper.instrument(**options)
while True:
    try:
        ask()
        went += 1
    except tollkeeper.Denied as denied:
        if denied.reason == "used_up":
            break
        assert denied.reason == "unavailable", denied  # a busy machine's
print(went)
"""
)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    started = Sidecar(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "log")
    started.start()
    yield started
    started.kill()


def apps(simulator: Simulator, tmp_path: Path, **options: str) -> list[int]:
    """How many calls each of three apps could make, that run at once."""
    (tmp_path / "policy.toml").write_text(POLICY)
    given = [f"{name}={value}" for name, value in {"policy": f"{tmp_path}/policy.toml", **options}.items()]
    env = environment(f"{simulator.url}/v1", TOLLKEEPER_SPOOL=f"{tmp_path}/spool", OPENAI_MAX_RETRIES="0")
    started = [
        subprocess.Popen([sys.executable, "-c", APP, *given], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=SECONDS)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 3
    return [int(each) for each in said]


def test_apps_with_a_sidecar_share_its_counters(simulator: Simulator, sidecar: Sidecar, tmp_path: Path) -> None:
    went = apps(simulator, tmp_path, sidecar=sidecar.url)
    assert sum(went) <= MOST
    assert sum(went) >= 0.98 * MOST
    assert RemoteCounters(sidecar.url, seconds=SECONDS).holds() == (), "what was leased is given back at the end"


def test_apps_without_one_share_a_file(simulator: Simulator, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/counters.db"
    went = apps(simulator, tmp_path, counters=url)
    assert 0.98 * MOST <= sum(went) <= MOST
    assert open_counters(url).holds() == ()


def call(simulator: Simulator) -> object:
    with openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0) as client:
        return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])


def test_when_the_sidecar_dies_each_limit_decides_and_all_is_booked_when_it_is_back(
    instrumented: Callable[..., tollkeeper.Instrumentation], simulator: Simulator, sidecar: Sidecar, tmp_path: Path
) -> None:
    open_limit = Limit("open", "requests", 1000, Window("day"), on_unavailable="allow")
    handle = instrumented(sidecar=sidecar.url, policy=Policy("p", (open_limit,)), spool=tmp_path / "spool")
    call(simulator)
    sidecar.kill()
    for _ in range(3):
        call(simulator)
    sidecar.start()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            (status,) = handle.limits()
            break
        except Exception:  # noqa: BLE001  until they are back
            time.sleep(0.1)
    assert (status.used, status.held) == (4, 0)


def test_where_a_limit_says_so_calls_are_denied_without_the_counters(
    instrumented: Callable[..., tollkeeper.Instrumentation], simulator: Simulator, tmp_path: Path
) -> None:
    shut = Limit("shut", "requests", 1000, Window("day"), on_unavailable="deny")
    away = f"unix://{tmp_path}/nobody.sock"
    instrumented(sidecar=away, policy=Policy("p", (shut,)), spool=tmp_path / "spool")
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as caught:
            call(simulator)
        assert isinstance(caught.value, tollkeeper.Denied)
        assert caught.value.reason == "unavailable"
    assert len(simulator.requests) == 0


def test_a_file_that_another_process_keeps_locked_costs_an_event_loop_little(
    instrumented: Callable[..., tollkeeper.Instrumentation], simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "counters.db"
    shut = Limit("shut", "requests", 1000, Window("day"))
    instrumented(counters=f"sqlite:///{path}", policy=Policy("p", (shut,)))
    call(simulator)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(tollkeeper.Denied, match="cannot be looked up"):
            call(simulator)
        assert time.monotonic() - start < 1.5, "half a second, and what a busy machine takes"
        start = time.monotonic()
        with pytest.raises(tollkeeper.Denied, match="cannot be looked up"):
            call(simulator)
        assert time.monotonic() - start < 0.4, "nobody waits for it again"
        other.execute("ROLLBACK")


def test_others_who_write_to_the_file_do_not_make_it_away(
    instrumented: Callable[..., tollkeeper.Instrumentation], simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "counters.db"
    shut = Limit("shut", "requests", 3, Window("day"))
    instrumented(counters=f"sqlite:///{path}", policy=Policy("p", (shut,)))
    call(simulator)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        over = threading.Timer(0.15, other.execute, ("ROLLBACK",))
        over.start()
        call(simulator)
        over.join()
    assert len(simulator.requests) == 2


def test_counters_that_cannot_be_are_told_of() -> None:
    with pytest.raises(ConfigurationError, match=r"is 'mysql://x'; expected counters .*memory:, sqlite:///FILE"):
        tollkeeper.instrument(counters="mysql://x")


def test_a_forked_worker_leases_for_itself(
    instrumented: Callable[..., tollkeeper.Instrumentation], simulator: Simulator, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/counters.db"
    handle = instrumented(counters=url, policy=Policy("p", (Limit("calls", "requests", 1000, Window("day")),)))
    for _ in range(20):
        call(simulator)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(20):
                call(simulator)
            handle.uninstrument()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    handle.uninstrument()
    counters = open_counters(url)
    assert counters.holds() == ()
    (status,) = handle.limits()
    assert (status.used, status.held) == (40, 0)
