"""Redis is emptied, restarted without its disk, or replaced by its replica, in the middle of a race.

What the ledger knows is counted again, and nothing of it twice.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import redis as client

from services import redis
from services.redis import RedisServer
from sidecar.api.world import World, make_call
from tollkeeper.model import Bound, Denial, Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.sidecar.agreement import COMPARED_EVERY, Agreement, Comparison
from tollkeeper.sidecar.ledger_use import LedgerUse
from tollkeeper.sidecar.limiting import Limiting, charge_of
from tollkeeper.storage.admission import Admission, Ticket
from tollkeeper.storage.counters import Charge, CountersUnavailable, Held, Hold, Level, Refused
from tollkeeper.storage.counters.redis import RedisCounters

A_CALL, CAP = 3_500_000, 150
THREADS = 4
LIMITS = (
    Limit("budget", "usd", CAP * A_CALL, Window("month")),
    Limit("calls", "requests", 10**6, Window("day"), per=("tenant",)),
)


class Moving:
    """Counters that are found by a name, which may come to mean another server."""

    def __init__(self, inner: RedisCounters) -> None:
        self.inner = inner

    def now(self) -> int:
        return self.inner.now()

    def reserve(self, hold: Hold) -> Held | Refused:
        return self.inner.reserve(hold)

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        return self.inner.settle(hold, amounts, assumed)

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        return self.inner.read(charges)

    def holds(self) -> Sequence[Hold]:
        return self.inner.holds()

    def close(self) -> None:
        self.inner.close()


class Race:
    """Several apps, which call until they are told to stop, with a sidecar that has their ledger."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.world = World(f"sqlite:///{folder / 'ledger.db'}")
        self.counters = Moving(self.counters_of(server))
        self.world.policies.set(Policy("p", LIMITS), author="tests", reason="a test")
        limiting = Limiting(self.world.policies, self.counters, "tests")
        self.agreement = Agreement(
            LedgerUse(self.world.ledger, self.world.resets), limiting, self.world.database, self.world.audit
        )
        self.admission = Admission(Policy("p", LIMITS), self.counters, "app")
        self.agreement.tend()
        self.recorded = self.refused = 0
        self._numbers, self._lock, self._stop = itertools.count(1), threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def counters_of(self, server: RedisServer) -> RedisCounters:
        return RedisCounters(server.url, timeout_seconds=10, server_clock=self.world.clock.nanoseconds)

    def end(self, is_clean: bool = True) -> list[Comparison]:
        """Have nobody call any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not is_clean or self.counters.holds() == ()
        return list(self.agreement.check().comparisons)

    def close(self) -> None:
        self._stop.set()
        self.world.close()
        self.counters.close()

    def _call(self) -> None:
        used = Bound(1000, 100, A_CALL)
        while not self._stop.is_set():
            call = make_call(next(self._numbers))
            ticket = self.admission.admit(call.id, self.admission.bindings(call), used)
            if isinstance(ticket, Denial):
                assert ticket.reason in ("used_up", "unavailable")
                self.refused += ticket.reason == "used_up"
                self._stop.wait(0.001)
                continue
            self._settle(ticket, used)
            with self._lock:
                self.world.record(call)
                self.recorded += 1

    def _settle(self, ticket: Ticket, used: Bound) -> None:
        """As the guard does: until somebody has heard it."""
        for _ in range(2000):
            try:
                self.admission.settle(ticket, used)
                return
            except CountersUnavailable:
                time.sleep(0.005)


def wait_until(is_so: Callable[[], bool]) -> None:
    end_at = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end_at, "the race does not go on"
        time.sleep(0.002)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis.running(options=("--repl-diskless-sync-delay", "0")) as found:
        yield found


@pytest.fixture
def race(tmp_path: Path, server: RedisServer) -> Iterator[Race]:
    made = Race(tmp_path, server)
    yield made
    made.close()


def flush(server: RedisServer) -> None:
    with closing(client.Redis.from_url(server.url)) as asked:
        asked.flushall()


def restart(server: RedisServer) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("lose", [flush, restart])
def test_what_the_ledger_knows_is_counted_again(
    race: Race, server: RedisServer, lose: Callable[[RedisServer], None]
) -> None:
    wait_until(lambda: race.recorded >= CAP // 2)
    lose(server)
    before = race.recorded
    race.agreement.tend()
    unknown = race.recorded - before
    wait_until(lambda: race.refused > 0)
    found = race.end()
    assert [one.excess for one in found] == [0, 0], "nothing is counted twice"
    # At most what had ended, and was on its way to the ledger, when the counters were lost.
    assert all(one.missing <= (unknown + 2 * THREADS) * (A_CALL if one.limit.measure == "usd" else 1) for one in found)
    race.agreement.rebuild(author="ann", reason="what came late")
    assert [(one.missing, one.excess) for one in race.agreement.check().comparisons] == [(0, 0), (0, 0)]
    assert CAP <= race.recorded <= CAP + unknown + 2 * THREADS


@pytest.fixture
def replica(server: RedisServer) -> Iterator[RedisServer]:
    """One that is told of each change: a new one has to wait for that, though it has a copy."""
    with (
        redis.running(options=("--replicaof", "127.0.0.1", str(server.port))) as found,
        closing(client.Redis.from_url(server.url)) as one,
        closing(client.Redis.from_url(found.url)) as other,
    ):
        wait_until(lambda: other.info("replication")["master_link_status"] == "up")
        one.set("a change", "is told")
        wait_until(lambda: other.exists("a change"))
        yield found


def promote(replica: RedisServer) -> None:
    with closing(client.Redis.from_url(replica.url)) as asked:
        asked.replicaof("NO", "ONE")


def test_a_replica_that_has_heard_of_all_goes_on_with_it(server: RedisServer, replica: RedisServer, race: Race) -> None:
    wait_until(lambda: race.recorded >= CAP // 2)
    with closing(client.Redis.from_url(server.url)) as asked:
        asked.client_pause(10_000, all=False)
        wait_until(lambda: (of := asked.info("replication"))["slave0"]["offset"] == of["master_repl_offset"])
    server.kill()
    promote(replica)
    race.counters.inner = race.counters_of(replica)
    wait_until(lambda: race.refused > 0)
    assert [(one.missing, one.excess) for one in race.end()] == [(0, 0), (0, 0)]
    assert race.recorded == CAP


def test_what_a_replica_had_not_heard_of_is_missing_until_it_was_so_twice(
    server: RedisServer, replica: RedisServer, race: Race
) -> None:
    """Redis answers before its replicas have heard of it. What was used meanwhile comes on top of the cap."""
    wait_until(lambda: race.recorded >= CAP // 3)
    promote(replica)
    heard = race.counters_of(replica).read([charge_of(LIMITS[0], {}, race.counters.now())])[0].spent // A_CALL
    assert heard >= CAP // 4
    wait_until(lambda: race.recorded >= heard + CAP // 4)
    server.kill()
    race.counters.inner = race.counters_of(replica)
    lost = race.recorded - heard + 2 * THREADS
    wait_until(lambda: race.refused > 0)
    budget, _ = race.end(is_clean=False)
    assert CAP < race.recorded <= CAP + lost
    assert 0 < budget.missing <= lost * A_CALL and budget.excess == 0
    race.agreement.tend()
    for _ in range(2 * COMPARED_EVERY):
        race.agreement.tend()
    assert [(one.lacking, one.excess) for one in race.agreement.check().comparisons] == [(0, 0), (0, 0)]
    race.world.clock.now += timedelta(hours=1)
    for one in race.agreement.check().comparisons:
        assert (one.missing, one.excess) == (0, 0)
        # Calls that were under way when the replica last heard of them: charged in full, and told apart.
        assert one.level.assumed <= THREADS * (A_CALL if one.limit.measure == "usd" else 1)
