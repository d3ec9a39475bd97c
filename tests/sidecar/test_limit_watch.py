"""What the counters are asked wakes the alerts, and tells when a limit denies calls before it is full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tollkeeper.alerting.channel import Channel
from tollkeeper.model import Limit, Window
from tollkeeper.model.alert import Alert, Notification
from tollkeeper.model.charge import Level
from tollkeeper.sidecar.api.counters import CounterDesk
from tollkeeper.sidecar.findings import finding_of
from tollkeeper.sidecar.limit_use import LimitUse
from tollkeeper.sidecar.limit_watch import LEASE, MOST_KEYS, LimitWatch
from tollkeeper.sidecar.notify.messages import message_of
from tollkeeper.storage.counters import Charge, Hold, Refused, wire
from tollkeeper.storage.counters import leased as leases
from tollkeeper.storage.counters.leased import LeasedCounters
from tollkeeper.storage.counters.memory import MemoryCounters

DAY = 86_400 * 10**9
NOON = DAY + DAY // 2
KEY = "day day [] 86400"


class Desk:
    """A desk with counters in which a limit of 100 has its usage, and how often the alerts were woken."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now
        self.woken = 0
        self.watch = LimitWatch(self._wake)
        self.counters = MemoryCounters(lambda: self.now)
        self.client = TestClient(CounterDesk(self.counters, None, watch=self.watch).over(Starlette()))

    def _wake(self) -> None:
        self.woken += 1

    def hold(self, id: str, amount: int, **fields: Any) -> Hold:
        return Hold(id, "app", self.now + DAY, (Charge(KEY, amount, 100, until=2 * DAY)._replace(**fields),))

    def reserve(self, id: str, amount: int, **fields: Any) -> bool:
        """Whether there was room."""
        answer = self.client.post(f"{wire.ROOT}/reserve", json=wire.of_hold(self.hold(id, amount, **fields)))
        assert answer.status_code == 200, answer.text
        return "levels" in answer.json()

    def settle(self, id: str, amount: int, before: int = 0) -> None:
        said = {**wire.of_hold(self.hold(id, amount)), "amounts": [amount]}
        earlier = [{**wire.of_hold(self.hold(f"{id}-before", before)), "amounts": [before]}] if before else []
        assert self.client.post(f"{wire.ROOT}/settle", json={**said, "settled": earlier}).status_code == 200

    def denied(self) -> int:
        return self.watch.denied(KEY, self.now)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    with made.client:
        yield made


def test_from_the_half_on_each_percent_is_news(desk: Desk) -> None:
    desk.settle("a", 49)
    assert desk.woken == 0
    desk.settle("b", 1)
    assert desk.woken == 1
    desk.settle("c", 0)
    assert desk.woken == 1, "what is free changes nothing"
    desk.settle("d", 1, before=2)
    assert desk.woken == 3, "what rides along counts as well"


def test_a_call_that_does_not_fit_into_what_is_left_is_denied(desk: Desk) -> None:
    desk.settle("a", 45)
    assert not desk.reserve("b", 60)
    assert (desk.denied(), desk.woken) == (1, 1)
    assert not desk.reserve("b", 60)
    assert desk.denied() == 1, "the same call asks again"
    assert not desk.reserve("c", 56)
    assert desk.denied() == 2
    assert desk.reserve("c", 10)
    assert desk.denied() == 1, "it was let go, as it became smaller"
    desk.now = 2 * DAY
    assert desk.denied() == 0, "the period is over"


def test_what_is_held_for_a_moment_is_not_used_up(desk: Desk) -> None:
    assert desk.reserve("a", 90)
    assert not desk.reserve("b", 20)
    desk.settle("d", 95)
    assert not desk.reserve(f"{LEASE}1", 20)
    assert not desk.reserve("e", 20, kind="slots", until=0)
    assert desk.denied() == 0


def test_the_blocks_of_leases_are_known_by_their_ids() -> None:
    asked: list[Hold] = []

    class Asked(MemoryCounters):
        def reserve(self, hold: Hold) -> Any:
            asked.append(hold)
            return super().reserve(hold)

    leased = LeasedCounters(Asked(lambda: NOON), threaded=False)
    for number in range(50):
        leased.reserve(Hold(f"call {number}", "app", NOON + DAY, (Charge(KEY, 1, 10_000, until=2 * DAY),)))
    assert {hold.id.startswith(LEASE) for hold in asked if not hold.id.startswith("call ")} == {True}
    assert leases.BLOCK_NS > 0
    leased.close()


def test_memory_has_a_bound(desk: Desk) -> None:
    for number in range(2 * MOST_KEYS):
        hold = desk.hold(f"call {number}", 60, key=f"k{number}")
        desk.watch.answered(hold, Refused(0, Level(50, 0), None))
    assert sum(desk.watch.denied(f"k{number}", NOON) for number in range(2 * MOST_KEYS)) == MOST_KEYS
    assert len(vars(desk.watch)["_calls"]) == 2 * MOST_KEYS


def used(limit: Limit, used: int) -> LimitUse:
    return LimitUse(limit, {"tenant": "acme"}, used, 0, DAY, 2 * DAY, KEY)


def test_a_limit_that_denies_calls_is_used_up() -> None:
    limit = Limit("day", "requests", 100, Window("day"), per=("tenant",))
    assert finding_of(used(limit, 40), NOON).level == 0
    found = finding_of(used(limit, 92), NOON, 3)
    assert (found.level, found.severity, found.facts["denied"], found.facts["percent"]) == (100, "critical", 3, 92.0)
    told = Notification("n", "team", "fired", Alert("a", found, NOON, NOON), NOON)
    message = message_of(told, Channel("team", "webhook", "http://team.example"))
    assert message.title == "Critical: day denies calls, at 92 % for tenant acme"
    assert "Calls are being denied, as they do not fit into what is left: 3 up to now." in message.body
    calm = finding_of(used(limit, 92), NOON)
    assert (calm.level, calm.facts["denied"]) == (90, 0)
    other = Limit("day", "requests", 100, Window("day"), at=(90,))
    assert finding_of(used(other, 40), NOON, 3).level == 0, "nobody is to be told at 100 %"
    waits = Limit("minute", "requests", 100, Window("minute"), wait=5.0)
    assert finding_of(used(waits, 99), NOON, 3).level == 0, "they wait"
