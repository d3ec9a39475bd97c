"""Bills of a simulated provider that are wrong in a known way: the cause is named, with effects that sum up exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from insight.reconcile.company import (
    LAST,
    MODELS,
    WINDOW,
    billed,
    calls,
    causes,
    compared,
    has,
    judged,
    main_cause,
    sums_up,
)
from tollkeeper.insight.reconcile.account import Kind
from tollkeeper.insight.reconcile.reconcile import Reconciliation, Terms, reconcile
from tollkeeper.simulator.bill import Use

SEEDS: tuple[tuple[Kind, int], ...] = (("openai", 1), ("anthropic", 2), ("openrouter", 3), ("openai", 4))


def lost(made: list[Use], seed: int, share: float) -> Callable[[Use], bool]:
    """Whether the ledger has a call, of which it lacks this share."""
    chance = random.Random(seed)
    gone = {id(use) for use in made if chance.random() < share}
    return lambda use: id(use) not in gone


def check(found: Reconciliation) -> None:
    assert found.cells
    for cell in found.cells:
        assert sums_up(cell), cell
        amounts = [abs(cause.nano_usd or 0) for cause in cell.causes]
        assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize("kind, seed", SEEDS)
def test_a_bill_that_is_right_agrees_to_the_nano_dollar(kind: Kind, seed: int) -> None:
    found = compared(kind, calls(kind, seed))
    check(found)
    assert causes(found) == {"none": len(WINDOW) * len(MODELS[kind])}
    assert all(cell.agrees and cell.difference == 0 and cell.token_difference == 0 for cell in found.cells)
    assert found.capture is not None and found.capture.ratio == 1
    assert found.shift_hours == 0


CASES: tuple[tuple[str, dict[str, Any], tuple[Kind, ...]], ...] = (
    ("tier", {"bill_batch": 1.0}, ("openai", "anthropic", "openrouter")),
    ("tier", {"bill_batch": 0.3}, ("openai", "anthropic")),
    ("time_zone", {"bill_zone": 8}, ("openai", "anthropic", "openrouter")),
    ("time_zone", {"bill_zone": -5}, ("openai", "anthropic", "openrouter")),
    ("another_client", {"bill_others": 0.3}, ("openai", "anthropic")),
    ("discount", {"bill_discount": 0.9}, ("openai", "anthropic", "openrouter")),
    ("rounding", {"bill_places": 2}, ("openai", "anthropic", "openrouter")),
    ("missed_calls", {"bill_extra": 0.2}, ("openai", "anthropic", "openrouter")),
    ("price", {"bill_price": 1.3}, ("openai", "anthropic", "openrouter")),
)


@pytest.mark.parametrize("cause, knobs, kinds", CASES)
@pytest.mark.parametrize("seed", (1, 2))
def test_each_cause_is_named(cause: str, knobs: dict[str, Any], kinds: tuple[Kind, ...], seed: int) -> None:
    kind = kinds[seed % len(kinds)]
    found = compared(kind, calls(kind, seed), **knobs)
    check(found)
    assert set(causes(found)) == {cause}
    if cause == "rounding":
        assert all(abs(cell.difference or 0) < 10**9 // 100 * 10 for cell in found.cells)
    if cause == "time_zone":
        assert found.shift_hours == knobs["bill_zone"]
        # What one day lacks, its neighbours have.
        differences = [cell.token_difference or 0 for cell in found.cells]
        assert abs(sum(differences)) < sum(map(abs, differences)) / 2


@pytest.mark.parametrize("kind, seed", SEEDS[:3])
def test_calls_that_one_side_lacks(kind: Kind, seed: int) -> None:
    made = calls(kind, seed)
    seen = lost(made, seed, 0.1)
    found = compared(kind, made, seen)
    check(found)
    assert set(causes(found)) == {"missed_calls"}
    assert found.capture is not None and 0.85 < (found.capture.ratio or 0) < 0.95
    evidence = found.cells[0].causes[0].evidence
    missing = [use for use in made if not seen(use) and use.model == found.cells[0].model]
    today = [use for use in missing if use.at // 86_400 == (found.cells[0].day - LAST).days + _days(LAST)]
    assert evidence["tokens"] == sum(use.input + use.output + use.cache_read + use.cache_write_5m for use in today)
    if kind != "anthropic":
        assert evidence["requests"] == len(today)

    found = judged(kind, billed(kind, [use for use in made if seen(use)]), made)
    check(found)
    assert set(causes(found)) == {"not_invoiced"}


def _days(day: Any) -> int:
    return int(day.toordinal()) - 719_163


@pytest.mark.parametrize("kind, seed", SEEDS[:3])
def test_a_model_that_the_ledger_never_had_is_somebody_elses(kind: Kind, seed: int) -> None:
    made = calls(kind, seed)
    unseen = MODELS[kind][0]
    found = judged(kind, billed(kind, made), [use for use in made if use.model != unseen])
    assert {cell.cause.kind for cell in found.cells if cell.cause} == {"another_client"}
    assert {cell.model for cell in found.cells if cell.cause} == {unseen}


def test_a_day_that_the_ledger_slept_through_is_nobody_elses() -> None:
    made = calls("openai", 5)
    asleep = _days(LAST) - 3
    found = compared("openai", made, lambda use: use.at // 86_400 != asleep)
    assert {cell.cause.kind for cell in found.cells if cell.cause} == {"missed_calls"}
    assert found.shift_hours == 0


def test_keys_that_are_not_ours_are_named_where_they_are_known() -> None:
    made = calls("openai", 6)
    # Two clients' calls are lost in part as well: only by knowing whose keys they are, both can be told.
    seen = lost(made, 6, 0.05)
    ours = [use for use in made if use.key == "key_a" and seen(use)]
    found = judged("openai", billed("openai", made), ours, own=frozenset({"key_a"}))
    check(found)
    assert main_cause(found) == "another_client"
    assert found.cells[0].causes[0].evidence["clients"] == ["key_b"]
    assert {cell.causes[1].kind for cell in found.cells if len(cell.causes) > 1} == {"missed_calls"}
    assert found.capture is not None and 0.9 < (found.capture.ratio or 0) < 1


def test_a_credit_is_a_line_of_its_own() -> None:
    for kind in ("openai", "anthropic"):
        found = compared(kind, calls(kind, 7), bill_credit=2.5)
        check(found)
        credits = [cell for cell in found.cells if not cell.model]
        assert len(credits) == len(WINDOW)
        assert {cell.difference for cell in credits} == {-2_500_000_000}
        assert {cell.cause.kind for cell in credits if cell.cause} == {"credit"}
        assert all(cell.cause is None for cell in found.cells if cell.model)


def test_days_that_are_not_settled_are_late_and_judge_nothing() -> None:
    made = calls("openai", 8)
    lines = billed("openai", made, bill_late=52)
    terms = Terms("openai", LAST)
    found = reconcile(lines, has(made), WINDOW, terms)
    late = {cell.cause.kind for cell in found.cells if cell.day == LAST and cell.cause}
    assert late == {"late_data"}
    assert all(cell.status == ("open" if cell.day == LAST else "settled") for cell in found.cells)
    assert all(cell.cause is None for cell in found.cells if cell.day < LAST)
    assert found.capture is not None and found.capture.ratio == 1


COMBINED: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("price", 0.05, {"bill_price": 1.5}),
    ("missed_calls", 0.4, {"bill_price": 1.03}),
    ("missed_calls", 0.4, {"bill_discount": 0.97}),
    ("tier", 0.05, {"bill_batch": 0.9}),
    ("another_client", 0.0, {"bill_others": 0.6, "bill_price": 1.05}),
    ("price", 0.0, {"bill_zone": 8, "bill_price": 3.0}),
    ("discount", 0.0, {"bill_discount": 0.6, "bill_batch": 0.05}),
)


@pytest.mark.parametrize("cause, share, knobs", COMBINED)
@pytest.mark.parametrize("kind", ("openai", "anthropic"))
def test_of_several_causes_the_larger_is_named(cause: str, share: float, knobs: dict[str, Any], kind: Kind) -> None:
    made = calls(kind, 9)
    found = compared(kind, made, lost(made, 9, share), **knobs)
    check(found)
    assert set(causes(found)) == {cause}


def test_shifted_days_are_found_among_lost_calls() -> None:
    made = calls("openai", 10)
    found = compared("openai", made, lost(made, 10, 0.05), bill_zone=8)
    check(found)
    assert found.shift_hours == 8
    assert {cause.kind for cell in found.cells for cause in cell.causes} <= {"time_zone", "missed_calls"}


def test_only_one_of_two_sources_counts() -> None:
    made = calls("openai", 11)
    lines = billed("openai", made)
    again = [line._replace(source="openai-csv") for line in lines]
    found = reconcile([*again, *lines], has(made), WINDOW, Terms("openai", LAST + timedelta(days=1)))
    assert set(causes(found)) == {"none"}


def test_no_bill_and_no_calls_are_no_difference() -> None:
    terms = Terms("openai", LAST + timedelta(days=1))
    assert reconcile([], has([]), WINDOW, terms).cells == ()
    found = reconcile([], has(calls("openai", 12)), WINDOW, terms)
    assert set(causes(found)) == {"not_invoiced"}
    assert found.capture is None
