"""The size of limits: those that nothing comes near, which would stop nothing, and those that are full all the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_CEILING, Context, Decimal
from statistics import median
from typing import Any

from tollkeeper.insight.advice.facts import Facts, Filled
from tollkeeper.insight.advice.recommendation import Recommendation, Way
from tollkeeper.insight.advice.snippets import tables
from tollkeeper.model import Limit
from tollkeeper.policy import Policy
from tollkeeper.policy.forms import write_form

FAR_ABOVE = 5
"""So many times the highest use: it would stop a mistake only when it has cost that much."""
ROOM = 2
"""What is proposed is so many times the highest use."""
FULL_SHARE = 0.5
"""Of the periods in which a limit was full: half of them."""
FEWEST_PERIODS = {"day": 14, "week": 4, "month": 2}
TWO_DIGITS = Context(prec=2, rounding=ROUND_CEILING)


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For limits of days, weeks and months whose use is known for long enough."""
    for filled in facts.filled:
        limit = filled.limit
        unit = limit.window.unit if limit.window is not None else ""
        if limit.mode == "soft" and not limit.at:
            # It denies nothing, and tells nobody: it is there for the steps of a ladder.
            continue
        if len(filled.peaks) < FEWEST_PERIODS.get(unit, 1) or not (peak := max(filled.peaks, default=0)):
            continue
        if limit.amount >= FAR_ABOVE * peak:
            yield _too_high(filled, peak)
        elif limit.amount and sum(each >= limit.amount for each in filled.peaks) >= FULL_SHARE * len(filled.peaks):
            yield _too_low(filled, peak)


def _too_high(filled: Filled, peak: int) -> Recommendation:
    limit = filled.limit
    proposed = replace(limit, amount=rounded(ROOM * peak))
    return _recommendation(
        filled,
        proposed,
        title=f"{limit.name} is {limit.amount / peak:.0f} times the most that was ever used of it",
        why=f"a runaway could use {limit.amount / peak:.0f} times as much as ever before, and not be stopped",
        risk="A busy period that is more than twice the busiest one so far would be cut off, or warned of.",
    )


def _too_low(filled: Filled, peak: int) -> Recommendation:
    limit = filled.limit
    proposed = replace(limit, amount=rounded(max(peak, limit.amount) * 5 // 4))
    full = sum(each >= limit.amount for each in filled.peaks)
    return _recommendation(
        filled,
        proposed,
        title=f"{limit.name} was full in {full} of {len(filled.peaks)} periods",
        why="a limit that is always full denies what is wanted, or its alerts are not read any more",
        risk="A higher limit lets more be spent: if it denies what it should, leave it.",
    )


def _recommendation(filled: Filled, proposed: Limit, *, title: str, why: str, risk: str) -> Recommendation:
    limit = filled.limit
    evidence: dict[str, Any] = {
        "periods": len(filled.peaks),
        "amount": limit.amount,
        "highest_use": max(filled.peaks),
        "median_use": int(median(filled.peaks)),
        "proposed_amount": proposed.amount,
        "measure": limit.measure,
        "form": write_form(limit),
    }
    return Recommendation(
        kind="budget",
        scope={"limit": limit.name},
        subject=f"{limit.name} {'lower' if proposed.amount < limit.amount else 'higher'}",
        title=title,
        evidence=evidence,
        spend=None,
        saving=None,
        confidence="medium",
        rests_on=(f"the use of {len(filled.peaks)} whole periods, of whoever used the most in each", why),
        ways=(Way("policy", f"# In place of the limit of this name.\n{tables(Policy(limits=(proposed,)))}"),),
        risks=(risk,),
    )


def rounded(amount: int) -> int:
    """Up to two digits: limits are for people."""
    return int(TWO_DIGITS.create_decimal(Decimal(amount)))
