"""Counters behind a sidecar, in processes of their own: over a unix socket and loopback, killed and started again."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from capture.processes import SOURCE
from crash_rounds import rounds
from sidecar.running import Sidecar, running
from storage.counters import lease_hammer
from storage.counters.charges import dollars, hold, slot
from tollkeeper.config import load_serve
from tollkeeper.storage.access_keys import AccessKeys
from tollkeeper.storage.counters import Charge, Counters, CountersUnavailable, Held, Hold, Level
from tollkeeper.storage.counters.contract import Unacceptable
from tollkeeper.storage.counters.guarded import GuardedCounters
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.remote import SECONDS, RemoteCounters
from tollkeeper.storage.database import Database

PATH = os.pathsep.join((str(SOURCE), str(Path(__file__).parents[2])))
PROCESSES, THREADS, CAP = 3, 3, 30_000
PATIENT = 10.0
"""Seconds for an answer where it is not the time that is tested."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def sidecar(folder: Path) -> Iterator[Sidecar]:
    with running(f"sqlite:///{folder}/ledger.db", folder, "--socket", str(folder / "s.sock")) as sidecar:
        yield sidecar


@pytest.fixture(params=("unix", "loopback"))
def url(request: pytest.FixtureRequest, sidecar: Sidecar, folder: Path) -> str:
    return f"unix://{folder}/s.sock" if request.param == "unix" else sidecar.url


def key() -> str:
    return uuid.uuid4().hex


def in_an_hour() -> int:
    return time.time_ns() + 3600 * 10**9


def call(amount: int, name: str, cap: int = 100) -> Hold:
    return Hold(key(), "test", time.time_ns() + 60 * 10**9, (dollars(amount, cap, name, until=in_an_hour()),))


def test_they_are_asked_over_both(url: str) -> None:
    counters, name = RemoteCounters(url, seconds=PATIENT), key()
    mine = call(60, name)
    assert counters.reserve(mine) == Held((Level(0, 60),))
    assert mine in counters.holds()
    refused = call(41, name)
    assert counters.reserve(refused) == (0, Level(0, 60), refused.charges[0].until)
    assert counters.settle(mine, [70]) == (Level(70, 0),)
    assert counters.read(mine.charges) == (Level(70, 0),)
    assert abs(counters.now() - time.time_ns()) < 10**9
    counters.close()


def test_time_is_the_sidecar_s(url: str) -> None:
    slow = RemoteCounters(url, seconds=PATIENT, clock=lambda: time.time_ns() - 3600 * 10**9)
    slow.read([])
    assert abs(slow.now() - time.time_ns()) < 10**9


def test_connections_are_kept_and_shared_by_threads(url: str) -> None:
    counters, name = RemoteCounters(url, seconds=PATIENT), key()

    def use() -> None:
        for _ in range(50):
            mine = call(1, name, 10**6)
            counters.reserve(mine)
            counters.settle(mine, [1])

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counters._idle) <= 4
    assert counters.read([dollars(0, key=name)]) == (Level(200, 0),)
    child = os.fork()
    if child == 0:
        os._exit(0 if not counters._idle and counters.read([dollars(0, key=name)]) == (Level(200, 0),) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counters.read([dollars(0, key=name)]) == (Level(200, 0),), "the parent's connections are as they were"


def ask(sidecar: Sidecar, path: str, body: bytes | None, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(f"{sidecar.url}/api/v1/counters/{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENT) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_everything_that_is_wrong_is_told_at_once(sidecar: Sidecar) -> None:
    body = {"id": "a", "owner": "me", "expires_at": "soon", "charges": [["k", -1, 5, True, "day", 0, 0, 0]], "more": 1}
    status, told = ask(sidecar, "reserve", json.dumps(body).encode())
    assert status == 422
    problems = {each["field"]: each["message"] for each in (told["error"], *told["others"])}
    assert problems == {
        "expires_at": "expires_at is 'soon'; expected a whole number",
        "charges.0.1": "charges.0.1 is -1; expected greater than or equal to 0",
        "charges.0.4": "charges.0.4 is 'day'; expected 'period', 'rate' or 'slots'",
        "more": "there is no 'more' here; one of id, owner, expires_at, charges, settled",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"amounts": [1, 2]}, "amounts are 2; expected one for each of 1 charges"),
        (
            {"amounts": [1], "charges": [["k", 1, 5, True, "rate", 0, 0, 5]]},
            "window is the nanoseconds that refill cap",
        ),
        ({"amounts": [2**53 + 1]}, "amounts.0 is 9007199254740993"),
    ],
)
def test_what_does_not_fit_together_is_refused(sidecar: Sidecar, change: dict[str, Any], told: str) -> None:
    body = {"id": "a", "owner": "me", "expires_at": 1, "charges": [["k", 1, 5, True, "period", 0, 0, 0]], **change}
    status, said = ask(sidecar, "settle", json.dumps(body).encode())
    assert status == 422
    assert told in said["error"]["message"]


def test_what_is_no_question_is_refused(sidecar: Sidecar) -> None:
    assert ask(sidecar, "read", b"[")[0] == 422
    assert ask(sidecar, "read", None)[0] == 405
    assert ask(sidecar, "read", b" " * (1024 * 1024 + 1))[0] == 413
    assert ask(sidecar, "nothing", b"{}")[0] == 404


def test_keys_are_asked_for_by_scope(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    with running(ledger, tmp_path, "--require-keys", "true") as sidecar:
        database = Database(ledger)
        keys = {scope: AccessKeys(database).create(scope, [scope], author="test")[0] for scope in ("read", "write")}
        database.close()
        mine = call(1, key())
        for given in (None, "tk_0_unknown"):
            with pytest.raises(CountersUnavailable, match="HTTP 401"):
                RemoteCounters(sidecar.url, given, PATIENT).read(mine.charges)
        reader = RemoteCounters(sidecar.url, keys["read"], PATIENT)
        assert reader.read(mine.charges) == (Level(0, 0),)
        assert reader.holds() == ()
        with pytest.raises(CountersUnavailable, match="HTTP 403.*needed is write"):
            reader.reserve(mine)
        writer = RemoteCounters(sidecar.url, keys["write"], PATIENT)
        assert isinstance(writer.reserve(mine), Held)
        assert writer.settle(mine, [1]) == (Level(1, 0),)


def test_workers_share_them(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path}/ledger.db", tmp_path, "--workers", "2") as sidecar:
        counters = [RemoteCounters(sidecar.url, seconds=PATIENT) for _ in range(8)]
        name = key()
        held = [each.reserve(call(10, name)) for each in counters]
        assert [answer.levels[0].held for answer in held if isinstance(answer, Held)] == list(range(10, 90, 10))
        assert (tmp_path / "ledger-counters.db").exists()


def test_where_they_are_kept_is_checked() -> None:
    with pytest.raises(ValueError, match=r"workers|all workers share"):
        load_serve({"counters": "memory:", "workers": "2"})
    with pytest.raises(ValueError, match="expected memory:, sqlite:///FILE or redis"):
        load_serve({"counters": "nowhere"})
    assert load_serve({"ledger": "sqlite:///a/b.db"}).counters_url == "sqlite:///a/b-counters.db"
    assert load_serve({"ledger": "postgresql://host/name"}).counters_url is None


class Mute:
    """Somebody who takes connections, and says nothing, or nonsense."""

    def __init__(self, says: bytes = b"") -> None:
        self._says = says
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            self._taken.append(connection)
            if self._says:
                connection.recv(65536)
                connection.sendall(self._says)
                connection.close()


def test_nobody_waits_longer_than_fifty_milliseconds(tmp_path: Path) -> None:
    counters = RemoteCounters(Mute().url)
    began = time.perf_counter()
    with pytest.raises(CountersUnavailable, match="TimeoutError"):
        counters.reserve(call(1, "a"))
    taken = time.perf_counter() - began
    assert SECONDS * 0.9 <= taken < SECONDS + 1
    for url in (f"unix://{tmp_path}/nothing.sock", "http://127.0.0.1:1"):
        with pytest.raises(CountersUnavailable):
            RemoteCounters(url).reserve(call(1, "a"))


@pytest.mark.parametrize(
    "says",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[1]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"levels":',
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"now":1,"a":[]}',
        b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}",
        b"",
    ],
)
def test_whatever_else_answers_is_as_good_as_nobody(says: bytes) -> None:
    with pytest.raises(CountersUnavailable) as told:
        RemoteCounters(Mute(says).url, seconds=0.2).reserve(call(1, "a"))
    assert not isinstance(told.value, Unacceptable)


def test_a_dead_sidecar_costs_one_wait(tmp_path: Path) -> None:
    mute = Mute()
    guarded = GuardedCounters(RemoteCounters(mute.url), threaded=False)
    leased = LeasedCounters(guarded, threaded=False)
    with pytest.raises(CountersUnavailable):
        leased.reserve(call(1, "a"))
    began = time.perf_counter()
    for _ in range(1000):
        with pytest.raises(CountersUnavailable):
            leased.reserve(call(1, "a"))
    assert time.perf_counter() - began < 1000 * SECONDS / 10
    assert guarded.figures.outages == 1


def hammers(url: str | Sequence[str], seed: int, cap: int = CAP) -> list[subprocess.Popen[str]]:
    urls = [url] * PROCESSES if isinstance(url, str) else url
    return [
        subprocess.Popen(
            [sys.executable, lease_hammer.__file__, each, f"{seed}-{number}", f"{THREADS}", f"{cap}"],
            env={**os.environ, "PYTHONPATH": PATH},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, each in enumerate(urls)
    ]


def results(processes: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(each) for each in said]


def audit(counters: Counters, told: Sequence[dict[str, Any]], cap: int = CAP) -> None:
    """Nothing is over a cap, all that was used is booked, nearly all there was is used, and nothing is held."""
    used = sum((Counter(each["used"]) for each in told), Counter[str]())
    keys: list[Charge] = list(lease_hammer.charges(cap, 0)[:1])
    keys += [lease_hammer.charges(cap, tenant)[1] for tenant in range(lease_hammer.TENANTS)]
    keys.append(lease_hammer.charges(cap, 0)[2])
    levels = counters.read([*keys, slot(lease_hammer.SLOTS)])
    assert {charge.key: level.spent for charge, level in zip(keys, levels, strict=False)} == dict(used)
    assert all(level.held == 0 and level.assumed == 0 for level in levels)
    assert counters.holds() == ()
    for charge, level in zip(keys, levels, strict=False):
        assert not charge.hard or level.spent <= charge.cap
    assert cap * 0.98 <= levels[0].spent <= cap
    assert sum(each["over"] for each in told) == 0
    assert sum(each["dropped"] for each in told) == 0


@pytest.mark.parametrize("seed", range(rounds(1)))
def test_processes_that_lease_of_a_sidecar(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "s.sock"
    with running(f"sqlite:///{tmp_path}/ledger.db", tmp_path, "--socket", str(path)):
        told = results(hammers(f"unix://{path}", seed))
        audit(RemoteCounters(f"unix://{path}", seconds=PATIENT), told)


@pytest.mark.parametrize("seed", range(rounds(1)))
def test_processes_that_lease_of_a_file(tmp_path: Path, seed: int) -> None:
    from tollkeeper.storage.counters.opening import open_counters  # noqa: PLC0415

    url = f"sqlite:///{tmp_path}/counters.db?timeout=10"
    told = results(hammers(url, seed))
    audit(open_counters(url), told)


@pytest.mark.parametrize("seed", range(rounds(1)))
def test_a_sidecar_that_is_killed_in_the_middle_of_reserving_and_settling(tmp_path: Path, seed: int) -> None:
    # The socket is the same each time; a port could be taken by somebody else meanwhile.
    url, chance = f"unix://{tmp_path}/s.sock", random.Random(seed)

    def start() -> Sidecar:
        started = Sidecar(f"sqlite:///{tmp_path}/ledger.db", tmp_path / "log", "--socket", f"{tmp_path}/s.sock")
        started.start()
        return started

    sidecar = start()
    try:
        processes = hammers(url, seed)
        counters, spent = RemoteCounters(url, seconds=PATIENT), 0
        while spent < CAP * 0.7 and any(process.poll() is None for process in processes):
            wanted = spent + chance.randint(CAP // 20, CAP // 5)
            while spent < wanted and any(process.poll() is None for process in processes):
                spent = counters.read(lease_hammer.charges(CAP, 0)[:1])[0].spent
            sidecar.kill()
            sidecar = start()
        told = results(processes)
        assert sum(each["outages"] for each in told) > 0
        audit(counters, told)
    finally:
        sidecar.kill()


def test_several_sidecars_over_one_redis(redis_server: Any, tmp_path: Path) -> None:
    url = f"{redis_server.url}?prefix={key()}&timeout={PATIENT}"
    sidecars = []
    try:
        for number in range(2):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            sidecars.append(Sidecar(f"sqlite:///{folder}/ledger.db", folder / "log", "--counters", url))
            sidecars[-1].start()
        told = results(hammers([sidecars[number % 2].url for number in range(PROCESSES)], 1))
        audit(RemoteCounters(sidecars[0].url, seconds=PATIENT), told)
    finally:
        for sidecar in sidecars:
            sidecar.kill()


def test_unknown_to_them_it_is_booked_all_the_same(url: str) -> None:
    counters, name = RemoteCounters(url, seconds=PATIENT), key()
    unasked = hold(key(), dollars(0, key=name, until=in_an_hour()))
    assert counters.settle(unasked, [7]) == (Level(7, 0),)
