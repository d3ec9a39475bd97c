"""Presets, and the limits that environment variables say."""

from __future__ import annotations

import pytest

from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_toml, write_toml
from tollkeeper.policy.forms import write_form
from tollkeeper.policy.presets import PRESETS, SEED_VARIABLES, limits_of_preset, limits_of_seed

DOLLAR = 1_000_000_000


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_written_as_its_limits_are(name: str) -> None:
    limits = limits_of_preset(name)
    assert tuple(write_form(limit) for limit in limits) == PRESETS[name]
    assert len({limit.name for limit in limits}) == len(limits)
    assert read_toml(write_toml(Policy(name, limits)), name) == Policy(name, limits)
    assert read_toml(f'[policy]\nname = "{name}"\npreset = "{name}"', name) == Policy(name, limits)


def test_budgets_grow() -> None:
    tiers = [limits_of_preset(name, "Asia/Tokyo") for name in ("low", "medium", "high", "enterprise")]
    for day, week, month in tiers:
        assert (day.window, week.window, month.window) == tuple(
            Window(unit, "Asia/Tokyo") for unit in ("day", "week", "month")
        )
        assert day.amount < week.amount < month.amount
        assert {limit.mode for limit in (day, week, month)} == {"hard"}
        assert day.at == (50, 80, 90, 95, 100)
    for smaller, larger in zip(tiers, tiers[1:], strict=False):
        assert all(one.amount < other.amount for one, other in zip(smaller, larger, strict=True))


def test_the_seed() -> None:
    limits = {limit.name: (limit.amount, limit.per) for limit in limits_of_preset("seed")}
    assert limits == {
        "requests-minute": (60, ()),
        "tokens-minute": (90_000, ()),
        "usd-per-request": (DOLLAR // 2, ()),
        "usd-day": (10 * DOLLAR, ()),
        "requests-minute-per-user": (60, ("user",)),
        "requests-hour-per-user": (1_000, ("user",)),
        "requests-day-per-user": (10_000, ("user",)),
        "requests-month-per-user": (100_000, ("user",)),
    }


ENVIRONMENT = {
    "MAX_REQUESTS_PER_MINUTE": "60",
    "MAX_TOKENS_PER_MINUTE": "90000",
    "MAX_COST_PER_REQUEST": "0.50",
    "DAILY_SPENDING_LIMIT": " 10.00 ",
    "ENABLE_COST_TRACKING": "true",
}


def test_the_variables_say_the_limits_of_the_same_names_as_the_seed() -> None:
    assert tuple(ENVIRONMENT) == SEED_VARIABLES
    assert limits_of_seed(ENVIRONMENT) == limits_of_preset("seed")[:4]


def test_only_what_is_set_limits() -> None:
    assert limits_of_seed({}) == limits_of_seed(dict.fromkeys(ENVIRONMENT, " ")) == ()
    assert limits_of_seed({"ENABLE_COST_TRACKING": "true", "PATH": "/bin"}) == ()
    assert limits_of_seed({"DAILY_SPENDING_LIMIT": "0"}) == (Limit("usd-day", "usd", 0, Window("day")),)


@pytest.mark.parametrize("no", ["false", "False", "0", "no", "OFF"])
def test_cost_that_is_not_tracked_is_not_limited(no: str) -> None:
    limits = limits_of_seed({**ENVIRONMENT, "ENABLE_COST_TRACKING": no})
    assert [limit.name for limit in limits] == ["requests-minute", "tokens-minute"]


def test_wrong_values_are_told_at_once() -> None:
    wrong = {"MAX_REQUESTS_PER_MINUTE": "many", "DAILY_SPENDING_LIMIT": "-1", "ENABLE_COST_TRACKING": "maybe"}
    with pytest.raises(ValueError) as raised:
        limits_of_seed(ENVIRONMENT | wrong)
    assert str(raised.value).splitlines() == [
        "ENABLE_COST_TRACKING is 'maybe'; expected true or false",
        "MAX_REQUESTS_PER_MINUTE is 'many'; expected a whole number from 0 to 9,007,199,254,740,992,"
        " such as 60, 90,000 or 2M",
        "DAILY_SPENDING_LIMIT is '-1'; expected US dollars from $0 to $9,007,199.254740992, exact to a billionth,"
        " such as 0.50",
    ]
