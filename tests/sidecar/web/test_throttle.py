"""Who guesses has to wait: by address and by account, for all sidecars of the same counters, by the counters' clock."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from sidecar.api.world import World
from sidecar.web.visiting import PASSWORD, Visitor, person
from tollkeeper.sidecar.api.counters import NoCounters
from tollkeeper.sidecar.throttle import PER_ACCOUNT, PER_ACCOUNT_ANYWHERE, PER_ADDRESS, Throttle, TooMany
from tollkeeper.storage.counters.memory import MemoryCounters

ACCOUNT = PER_ACCOUNT.window.burst or 0  # type: ignore[union-attr]
EVERYWHERE = PER_ACCOUNT_ANYWHERE.window.burst or 0  # type: ignore[union-attr]
ADDRESS = PER_ADDRESS.window.burst or 0  # type: ignore[union-attr]


def fail(throttle: Throttle, address: str, account: str | None = None) -> None:
    throttle.end(throttle.begin(address, account), failed=True)


@pytest.fixture
def throttle(world: World) -> Throttle:
    return Throttle(world.counters, world.clock.nanoseconds)


def test_nobody_is_locked_out_by_whoever_knows_the_name(world: World, throttle: Throttle) -> None:
    for number in range(ACCOUNT):
        fail(throttle, f"2001:db8::{number}", "ada")
    with pytest.raises(TooMany) as many:
        throttle.begin("2001:db8::ffff", "ada")
    assert many.value.seconds == 3600 // PER_ACCOUNT.amount
    throttle.end(throttle.begin("198.51.100.1", "ada"), failed=False)
    throttle.end(throttle.begin("2001:db8::ffff", "grace"), failed=False)
    world.clock.now += timedelta(seconds=many.value.seconds - 1)
    with pytest.raises(TooMany):
        throttle.begin("2001:db8::ffff", "ada")
    world.clock.now += timedelta(seconds=1)
    fail(throttle, "2001:db8::ffff", "ada")
    with pytest.raises(TooMany):
        throttle.begin("2001:db8::ffff", "ada")


def test_an_account_is_guarded_wherever_one_guesses_from(world: World, throttle: Throttle) -> None:
    for number in range(EVERYWHERE):
        throttle.end(throttle.begin("198.51.100.1", "ada"), failed=False)
        fail(throttle, f"203.0.113.{number}", "ada")
    with pytest.raises(TooMany) as many:
        throttle.begin("198.51.100.1", "ada")
    assert many.value.seconds == 3600 // PER_ACCOUNT_ANYWHERE.amount
    throttle.end(throttle.begin("198.51.100.1", "grace"), failed=False)
    world.clock.now += timedelta(seconds=many.value.seconds)
    throttle.begin("198.51.100.1", "ada")


@pytest.mark.parametrize(
    ("guesses", "other"),
    [
        (["203.0.113.9"], "203.0.113.10"),
        (["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:0:9::"], "2001:db8:0:1::1"),
        (["::ffff:203.0.113.9", "203.0.113.9"], "::ffff:203.0.113.10"),
        ([""], "203.0.113.9"),
    ],
)
def test_an_address_guesses_so_often(throttle: Throttle, guesses: list[str], other: str) -> None:
    for number in range(ADDRESS):
        fail(throttle, guesses[number % len(guesses)], f"user-{number}")
    for one in guesses:
        with pytest.raises(TooMany):
            throttle.begin(one, "somebody")
    throttle.begin(other, "somebody")


def test_who_gets_in_takes_nothing(throttle: Throttle) -> None:
    for _ in range(3 * ADDRESS):
        throttle.end(throttle.begin("203.0.113.9", "ada"), failed=False)


def test_many_at_once_are_as_many_one_by_one(throttle: Throttle) -> None:
    """None is told yet how it ended."""
    for _ in range(ACCOUNT):
        throttle.begin("203.0.113.9", "ada")
    with pytest.raises(TooMany):
        throttle.begin("203.0.113.9", "ada")


def test_without_counters_each_sidecar_counts_by_itself(world: World) -> None:
    throttle = Throttle(NoCounters(), world.clock.nanoseconds)
    for _ in range(ACCOUNT):
        fail(throttle, "203.0.113.9", "ada")
    with pytest.raises(TooMany):
        throttle.begin("203.0.113.9", "ada")
    Throttle(NoCounters(), world.clock.nanoseconds).begin("203.0.113.9", "ada")


def test_nobodys_name_is_in_the_counters(world: World) -> None:
    counters = MemoryCounters(world.clock.nanoseconds)
    Throttle(counters).begin("203.0.113.9", "ada@example.com")
    assert "ada" not in repr(counters.holds()) and "203.0" not in repr(counters.holds())


def test_the_page_says_when_to_try_again(world: World) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world)
    token = visitor.token()
    wrong = {"csrf_token": token, "user": "ada", "password": "another password"}
    for _ in range(ACCOUNT):
        assert visitor.post("/sign-in", data=wrong).status_code == 422
    for data in (wrong, {**wrong, "password": PASSWORD}):
        answer = visitor.post("/sign-in", data=data)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "180")
        assert re.search(r"Try again in 3 minutes, at 14:33 UTC\.", answer.text)
    assert not visitor.is_in
    assert visitor.post("/sign-in", data={"csrf_token": token, "key": world.key("read")}).status_code == 303, "a key"
    world.clock.now += timedelta(seconds=180)
    assert Visitor(world).as_user("ada").is_in


def test_an_unknown_user_is_as_many_attempts(world: World) -> None:
    visitor = Visitor(world)
    token = visitor.token()
    said = [
        visitor.post("/sign-in", data={"csrf_token": token, "user": "nobody", "password": PASSWORD}).status_code
        for _ in range(ACCOUNT + 1)
    ]
    assert said == [*[422] * ACCOUNT, 429]
