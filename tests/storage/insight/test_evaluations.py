"""What evaluators found last: whose turn it is, and what is shown, in SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.evaluations import Evaluations

HOUR = 3600 * 10**9


class At:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.now = 1_762_200_000 * 10**9

    def __call__(self) -> int:
        return self.now


def test_one_of_many_runs_what_is_due(database: Database) -> None:
    at = At()
    sidecars = [Evaluations(database, f"sidecar {number}", at) for number in range(6)]
    for _ in range(3):
        with ThreadPoolExecutor(6) as pool:
            claims = list(pool.map(lambda one: one.claim("forecasts", HOUR), sidecars))
        assert sum(claims) == 1
        at.now += HOUR - 1
        assert not any(one.claim("forecasts", HOUR) for one in sidecars)
        at.now += 1


def test_what_was_found_is_seen_by_all_and_never_grows_older(database: Database) -> None:
    at = At()
    one, other = (Evaluations(database, name, at) for name in ("one", "other"))
    assert other.latest("health") is None
    assert one.claim("health", HOUR)
    assert other.latest("health") is None
    one.keep("health", at.now, {"providers": [1, None, "ü"]})
    assert other.latest("health") == ("health", at.now, {"providers": [1, None, "ü"]})
    other.keep("health", at.now - 1, {"providers": []})
    assert one.latest("health") == ("health", at.now, {"providers": [1, None, "ü"]})
    one.keep("health", at.now + 5, [])
    assert other.latest("health") == ("health", at.now + 5, [])


def test_one_that_failed_runs_again_and_a_clock_that_was_ahead_stops_nothing(database: Database) -> None:
    at = At()
    evaluations = Evaluations(database, "one", at)
    assert evaluations.claim("advice", 24 * HOUR)
    evaluations.postpone("advice", at.now + HOUR)
    assert not evaluations.claim("advice", 24 * HOUR)
    at.now += HOUR
    assert evaluations.claim("advice", 24 * HOUR)
    at.now -= 1000 * HOUR
    assert evaluations.claim("advice", 24 * HOUR)
