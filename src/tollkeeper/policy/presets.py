"""Limits to begin with: budgets of four sizes, those that small apps usually have, and what the environment says.

Of the budgets, `high` is $200 a day and $5,000 a month; the others are a multiple of it. A week is worth six days,
and a month twenty-five, so that a few bad days are noticed before all is spent. All are told of at 50, 80, 90, 95 and
100 percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tollkeeper.model.limit import Limit, Measure, Window
from tollkeeper.policy.forms import Form, limit_saying, name_of, read_amount

PRESETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "low": ("$10 / day", "$60 / week", "$250 / month"),
        "medium": ("$50 / day", "$300 / week", "$1,250 / month"),
        "high": ("$200 / day", "$1,200 / week", "$5,000 / month"),
        "enterprise": ("$1,000 / day", "$6,000 / week", "$25,000 / month"),
        "seed": (
            "60 requests / minute",
            "90,000 tokens / minute",
            "$0.50 per request",
            "$10 / day",
            "60 requests / minute per user",
            "1,000 requests / hour per user",
            "10,000 requests / day per user",
            "100,000 requests / month per user",
        ),
    }
)
"""The forms that each consists of."""

COST_TRACKING: Final = "ENABLE_COST_TRACKING"
_SEED: Final[Mapping[str, tuple[Measure, Window | None]]] = MappingProxyType(
    {
        "MAX_REQUESTS_PER_MINUTE": ("requests", Window("minute")),
        "MAX_TOKENS_PER_MINUTE": ("tokens", Window("minute")),
        "MAX_COST_PER_REQUEST": ("usd", None),
        "DAILY_SPENDING_LIMIT": ("usd", Window("day")),
    }
)
SEED_VARIABLES: Final = (*_SEED, COST_TRACKING)
"""Environment variables that say limits."""

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def limits_of_preset(name: str, zone: str = "UTC") -> tuple[Limit, ...]:
    """The limits of a preset, whose days are those of the zone. Raises `KeyError` for a name that is none."""
    return tuple(limit_saying(form, zone) for form in PRESETS[name])


def limits_of_seed(values: Mapping[str, str]) -> tuple[Limit, ...]:
    """The limits that `SEED_VARIABLES` say: each that is set is a hard limit; an empty one is not set.

    The two of cost are left out where `ENABLE_COST_TRACKING` is false. Raises `ValueError`, a line for each mistake.
    """
    mistakes = []
    limits = []
    said = {name: values[name].strip() for name in SEED_VARIABLES if values.get(name, "").strip()}
    tracked = said.pop(COST_TRACKING, "true").lower()
    if tracked not in _TRUE + _FALSE:
        mistakes.append(f"{COST_TRACKING} is {values[COST_TRACKING]!r}; expected true or false")
    for name, value in said.items():
        measure, window = _SEED[name]
        try:
            amount = read_amount(value, measure)
        except ValueError as expected:
            mistakes.append(f"{name} is {values[name]!r}; expected {expected}")
            continue
        if measure != "usd" or tracked not in _FALSE:
            limits.append(Limit(name_of(Form(measure, amount, window)), measure, amount, window))
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return tuple(limits)
