"""A cheaper model for a feature: its own calls, priced by the other model, with the tokens that this one takes.

Where both models were used for the feature, how many tokens the other one takes was measured. Where not, as many are
taken to be used, and the range is wider. Whether its answers are good enough, no figure here tells.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tollkeeper.insight.advice.facts import Facts, Task, Use
from tollkeeper.insight.advice.families import plain_name, smaller
from tollkeeper.insight.advice.money import LEAST_SAVING, confidence_of, saving_of, spread
from tollkeeper.insight.advice.recommendation import Confidence, Recommendation, Way, least
from tollkeeper.insight.advice.snippets import exactly, step_for
from tollkeeper.insight.advice.tasks import FEWEST_CALLS, Spent, repriced, scope_of, spent_by_task, whose
from tollkeeper.model.ladder import Step

UNMEASURED = 0.25
"""By how great a share the tokens of another model may be more or fewer, where nobody has measured it."""
SAME_WORK = 2
"""So many times as much put in, or as little, no tokenizer makes of the same text: the other model has other work."""
FOUR_OF_FIVE = 1.2816
RISKS = (
    "The answers of a smaller model may be worse: compare some of them before, and watch how users take them after.",
    "Prompts that were written for one model may need other words for another.",
)


class Tokens(NamedTuple):
    """How many times the tokens the other model takes for the same work; `low` to `high` in four of five cases."""

    low: float
    mid: float
    high: float
    calls: int


class Candidate(NamedTuple):
    """Another model, as a policy names it; `basis` says why it would do."""

    name: str
    provider: str
    model: str
    basis: str
    confidence: Confidence


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For each task the candidate that saves the most."""
    for spent in spent_by_task(facts):
        found = [one for each in _candidates(facts, spent.task) if (one := _recommendation(facts, spent, each))]
        if found:
            yield max(found, key=lambda one: one.saving.mid if one.saving else 0)


def _recommendation(facts: Facts, spent: Spent, to: Candidate) -> Recommendation | None:
    priced = repriced(spent.uses, facts.prices, to.provider, to.model)
    if priced is None or priced >= spent.nano_usd:
        return None
    tokens = _tokens(facts, spent, to)
    factors = tokens or Tokens(1 - UNMEASURED, 1.0, 1 + UNMEASURED, 0)
    would_be = [round(priced * factor) for factor in (factors.high, factors.mid, factors.low)]
    spend = spent.month(spent.nano_usd)
    low, mid, high = (spent.month(spent.nano_usd - each) for each in would_be)
    if mid < LEAST_SAVING:
        return None
    task = spent.task
    share = (spent.nano_usd - would_be[1]) / spent.nano_usd
    return Recommendation(
        kind="cheaper_model",
        scope=scope_of(task),
        subject=f"{task.provider} {task.asked} → {to.provider} {to.model}",
        title=f"{to.model} in place of {task.asked} for {whose(task)}",
        evidence=_evidence(spent, priced, tokens, share, to),
        spend=spend,
        saving=saving_of(low, mid, high, spend, spread(spent.daily)),
        confidence=least(to.confidence, confidence_of(spent.days), "high" if tokens else "medium"),
        rests_on=_rests_on(spent, tokens, to),
        ways=_ways(task, to),
        risks=RISKS,
    )


def _candidates(facts: Facts, task: Task) -> Iterator[Candidate]:
    """Those of the same class; where the policy has none for the model, the next smaller one of its family."""
    asked = _same(facts.prices.place(task.asked, task.provider))
    is_classed = False
    for name, models in facts.policy.quality.items():
        places = {each: _place(facts, each, task.provider) for each in models}
        if asked in map(_same, places.values()) or task.asked in models:
            is_classed = True
            for each, (provider, model) in places.items():
                if _same((provider, model)) != asked and model != task.asked:
                    yield Candidate(each, provider, model, f"both are of the quality {name}", "high")
    if not is_classed:
        for model in smaller(task.asked):
            yield Candidate(model, task.provider, model, "the next smaller one of its family", "low")


def _same(place: tuple[str, str]) -> tuple[str, str]:
    return place[0], plain_name(place[1])


def _place(facts: Facts, name: str, provider: str) -> tuple[str, str]:
    model, endpoint = facts.policy.target(name)
    if endpoint is not None:
        return endpoint.provider or provider, model
    return facts.prices.place(name, provider)


def _tokens(facts: Facts, spent: Spent, to: Candidate) -> Tokens | None:
    """How many more tokens the other model took for the same feature, weighed by what they cost with it.

    `None` where it was hardly used for it, or for calls that put in so much more or less that they are others.
    """
    others = [
        use for use in facts.uses
        if use.task.feature == spent.task.feature and use.task.operation == spent.task.operation
        and use.task.provider == to.provider and to.model in (use.task.asked, use.model)
    ]  # fmt: skip
    if sum(use.calls for use in others) < FEWEST_CALLS:
        return None
    mine, theirs = _moments(spent.uses), _moments(others)
    if not (mine["input"][0] and mine["output"][0] and theirs["input"][0] and theirs["output"][0]):
        return None
    parts = _cost_parts(facts, spent, to)
    if parts is None or not 1 / SAME_WORK <= theirs["input"][0] / mine["input"][0] <= SAME_WORK:
        return None
    factor = variance = 0.0
    for name, weight in parts.items():
        ratio = theirs[name][0] / mine[name][0]
        factor += weight * ratio
        variance += (weight * ratio) ** 2 * (theirs[name][1] + mine[name][1])
    margin = FOUR_OF_FIVE * math.sqrt(variance)
    return Tokens(max(factor - margin, 0.0), factor, factor + margin, sum(use.calls for use in others))


def _moments(uses: list[Use] | tuple[Use, ...]) -> Mapping[str, tuple[float, float]]:
    """Of tokens a call: the mean, and the square of its standard error as a share of it."""
    calls = sum(use.calls for use in uses)
    found = {}
    for name, total, squares in (
        ("input", sum(use.input_tokens for use in uses), math.fsum(use.input_squares for use in uses)),
        ("output", sum(use.output_tokens for use in uses), math.fsum(use.output_squares for use in uses)),
    ):
        mean = total / calls
        variance = max(squares / calls - mean**2, 0.0)
        found[name] = (mean, variance / calls / mean**2 if mean else 0.0)
    return found


def _cost_parts(facts: Facts, spent: Spent, to: Candidate) -> Mapping[str, float] | None:
    """The shares of what comes in and of what goes out in what the other model would cost."""
    without = [use._replace(output_tokens=0, reasoning_tokens=0) for use in spent.uses]
    whole = repriced(spent.uses, facts.prices, to.provider, to.model)
    taken = repriced(without, facts.prices, to.provider, to.model)
    if not whole or taken is None:
        return None
    return {"input": taken / whole, "output": 1 - taken / whole}


def _evidence(spent: Spent, priced: int, tokens: Tokens | None, share: float, to: Candidate) -> dict[str, object]:
    return {
        "days": spent.days,
        "calls": spent.calls,
        "cost_nano_usd": spent.nano_usd,
        "same_tokens_cost_nano_usd": priced,
        "token_factor": None if tokens is None else round(tokens.mid, 3),
        "token_factor_range": None if tokens is None else [round(tokens.low, 3), round(tokens.high, 3)],
        "calls_of_other": 0 if tokens is None else tokens.calls,
        "saving_percent": round(100 * share, 1),
        "provider": spent.task.provider,
        "model": spent.task.asked,
        "new_provider": to.provider,
        "new_model": to.model,
    }


def _rests_on(spent: Spent, tokens: Tokens | None, to: Candidate) -> tuple[str, ...]:
    measured = (
        f"{to.model} took {tokens.mid:.2f} times the tokens, by {tokens.calls:,} of its calls for the same feature"
        if tokens
        else f"as many tokens with {to.model}, which nobody has measured: a quarter more or fewer is in the range"
    )
    return (spent.basis, measured, to.basis)


def _ways(task: Task, to: Candidate) -> tuple[Way, ...]:
    code = Way("code", f"model = {json.dumps(to.model)}  # in place of {json.dumps(task.asked)}")
    if to.provider != task.provider and ":" not in to.name:
        return (code,)
    return (*step_for(task, "cheaper", Step(1, "cheaper", {exactly(task.asked): to.name})), code)
