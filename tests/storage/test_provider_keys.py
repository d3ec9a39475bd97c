"""What apps have said of providers' keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from clocks import Clock
from tollkeeper.model.providers import KeyFound
from tollkeeper.storage.database import Database
from tollkeeper.storage.provider_keys import KEPT_FOR_NS, KeyTold, ProviderKeys

OLD, NEW = KeyFound("OPENAI_API_KEY", True, "aaaa"), KeyFound("OPENAI_API_KEY", True, "bbbb")
NONE = KeyFound("GROQ_API_KEY", False)


@pytest.fixture
def keys(database: Database, clock: Clock) -> ProviderKeys:
    return ProviderKeys(database, clock)


def test_each_that_was_told_of_is_kept_with_when_it_was_last(keys: ProviderKeys, clock: Clock) -> None:
    keys.tell("shop", [OLD, NONE])
    before = clock.now
    clock.now += 5
    keys.tell("shop", [NEW, NONE, NONE])
    keys.tell("search", [KeyFound("OPENAI_API_KEY", True)])
    keys.tell("search", [])
    assert keys.all() == [
        KeyTold("shop", NONE, clock.now),
        KeyTold("search", KeyFound("OPENAI_API_KEY", True), clock.now),
        KeyTold("shop", NEW, clock.now),
        KeyTold("shop", OLD, before),
    ]


def test_what_nobody_says_any_more_is_forgotten(keys: ProviderKeys, clock: Clock) -> None:
    keys.tell("shop", [OLD])
    clock.now += KEPT_FOR_NS + 1
    keys.tell("shop", [NEW])
    assert keys.all() == [KeyTold("shop", NEW, clock.now)]


def test_many_may_tell_at_once(keys: ProviderKeys) -> None:
    found = [KeyFound(f"V{number}", True, "aaaa") for number in range(30)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: keys.tell("shop", found[number % 7 :] + found[: number % 7]), range(20)))
    assert len(keys.all()) == 30
