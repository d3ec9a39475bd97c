"""A lower `max_tokens`: what calls ask for at the most, and what nearly all answers have.

Nobody pays for tokens that are not made: what it saves is the tail of the longest answers, and what hard limits hold
back for each call while it is under way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from tollkeeper.insight.advice.facts import Answers, Facts, Histogram
from tollkeeper.insight.advice.money import confidence_of, saving_of
from tollkeeper.insight.advice.prices import nano
from tollkeeper.insight.advice.recommendation import Recommendation, Way, least
from tollkeeper.insight.advice.snippets import step_for
from tollkeeper.insight.advice.tasks import Spent, scope_of, spent_by_task, whose
from tollkeeper.model.ladder import Step
from tollkeeper.pricing.rates import EXACT, Rates

NEARLY_ALL = 0.99
FEWEST_ANSWERS = 200
FAR_ABOVE = 4
"""So many times what nearly all answers have: less is prudence."""
ROOM = 1.5
"""What is proposed is so many times what nearly all answers have."""
ROUND = 64


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For tasks that ask for far more than their answers have."""
    by_task = {spent.task: spent for spent in spent_by_task(facts)}
    for answers in facts.answers:
        spent = by_task.get(answers.task)
        if spent is not None and answers.lengths.calls >= FEWEST_ANSWERS:
            longest = answers.lengths.least_of(NEARLY_ALL)
            enough = math.ceil(longest * ROOM / ROUND) * ROUND
            if answers.max_tokens >= FAR_ABOVE * max(longest, 1) and enough < answers.max_tokens:
                yield _recommendation(facts, spent, answers, longest, enough)


def _recommendation(facts: Facts, spent: Spent, answers: Answers, longest: int, enough: int) -> Recommendation:
    task = spent.task
    rates = facts.prices.rates(spent.uses[0])
    tail = tail_of(answers.lengths, enough)
    most = _cost(tail, rates) if isinstance(rates, Rates) else 0
    held = _cost(answers.max_tokens - enough, rates) if isinstance(rates, Rates) else None
    spend = spent.month(spent.nano_usd)
    return Recommendation(
        kind="max_tokens",
        scope=scope_of(task),
        subject=f"{task.provider} {task.asked} {task.operation} {answers.max_tokens}",
        title=f"max_tokens {enough:,} in place of {answers.max_tokens:,} for {whose(task)} with {task.asked}",
        evidence={
            "days": spent.days,
            "calls": answers.lengths.calls,
            "max_tokens": answers.max_tokens,
            "p99_output_tokens": longest,
            "proposed_max_tokens": enough,
            "tokens_above_proposed_at_most": tail,
            "held_less_nano_usd_a_call": held,
            "provider": task.provider,
            "model": task.asked,
        },
        spend=spend,
        saving=saving_of(0, 0, spent.month(most), spend),
        confidence=least("medium", confidence_of(spent.days)),
        rests_on=(
            f"99 of 100 of {answers.lengths.calls:,} answers had no more than {longest:,} output tokens",
            "tokens that are not made cost nothing: only answers above the new bound would be cheaper, at the most by"
            f" {tail:,} tokens",
            "hard limits hold less for each call while it is under way, so that more calls fit below them",
        ),
        ways=(
            Way("code", f"max_tokens={enough}"),
            *step_for(task, "cap", Step(1, "cap_output", tokens=enough)),
        ),
        risks=(f"An answer that needs more than {enough:,} tokens is cut off: look for finish reason `length`.",),
    )  # fmt: skip


def tail_of(lengths: Histogram, bound: int) -> int:
    """The most tokens that answers had above a bound."""
    return sum((most - bound) * number for most, number in lengths.buckets if most > bound)


def _cost(tokens: int, rates: Rates) -> int:
    price = rates.table(0).get("output")
    return 0 if price is None else nano(EXACT.multiply(price, Decimal(tokens)))
