"""The hours of other days that an hour is like, and what the ledger has of them."""

from __future__ import annotations

from pathlib import Path

from sidecar.insight.ledgers import SECOND, call_of, world_of
from tollkeeper.sidecar.insight.usual_hours import UsualHours, same_hours, spans

MONDAY_NOON = 4 * 24 + 12
"""The first one of the epoch, as an hour of it."""
WEEK = 7 * 24


def test_working_days_are_like_working_days() -> None:
    monday = MONDAY_NOON + 10 * WEEK
    alike = same_hours(monday, 28)
    assert len(alike) == 3 * 20
    assert {(monday - each + 1) % 24 for each in alike} == {0, 1, 2}
    assert {each // 24 % 7 for each in alike} == {0, 4, 5, 6, 1}, "the epoch began on a Thursday"
    saturday = monday + 5 * 24
    assert len(same_hours(saturday, 28)) == 3 * 8
    assert len(same_hours(saturday, 5)) == 15, "of few days all"


def test_hours_side_by_side_are_one_span() -> None:
    assert list(spans([5, 3, 4, 9, 11, 12])) == [(3, 6), (9, 10), (11, 13)]
    assert list(spans([])) == []


def test_each_is_looked_up_once_an_hour_with_the_hours_that_had_nothing(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        day = 24 * 60
        world.record(
            *(call_of(number, "2", number * day + 10, feature="chat", user="ada") for number in range(1, 15)),
            *(call_of(100 + number, "1", number * day + 10, feature="search") for number in range(1, 8)),
            call_of(900, "7", day + 600, feature="chat"),
        )
        usual = UsualHours(world.ledger)
        now = world.clock.nanoseconds()
        keys = [("feature", "chat"), ("feature", "search"), ("", ""), ("user", "nobody")]
        known = usual.of(keys, now)
        working = 10  # of the fourteen days before a Tuesday
        chat, search, everybody, nobody = (known[key] for key in keys)
        assert sum(chat.amounts["spend"]) == working * 2e9
        assert sum(everybody.amounts["requests"]) == sum(chat.amounts["requests"]) + sum(search.amounts["requests"])
        assert len(chat.amounts["spend"]) == len(nobody.amounts["spend"]) >= 3 * (working - 1)
        assert chat.before == (working / len(chat.amounts["spend"]), 2e9)
        assert (sum(nobody.amounts["spend"]), nobody.before) == (0, None)
        world.record(call_of(999, "50", day + 10, feature="chat"))
        assert usual.of(keys, now)[keys[0]] == chat
        assert sum(usual.of(keys, now + 3600 * SECOND)[keys[0]].amounts["spend"]) != sum(chat.amounts["spend"])
