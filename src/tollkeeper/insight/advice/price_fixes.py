"""What is wrong with prices: models without one, and prices that are not what the provider itself says it charges."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tollkeeper.insight.advice.facts import Facts, Priceless, Use
from tollkeeper.insight.advice.recommendation import Recommendation, Way

FEWEST_CALLS = 20
DIFFERS = 0.02
"""By a share of so much, what the provider says and what the price list says are not the same."""


def advise(facts: Facts) -> Iterator[Recommendation]:
    """Both kinds of them."""
    for priceless in facts.priceless:
        yield _missing(priceless)
    named: dict[tuple[str, str], list[Use]] = {}
    for use in facts.uses:
        if use.named and use.costed == use.calls:
            named.setdefault((use.task.provider, use.model), []).append(use)
    for (provider, model), uses in named.items():
        if sum(use.calls for use in uses) >= FEWEST_CALLS:
            yield from _differing(facts, provider, model, uses)


def _missing(one: Priceless) -> Recommendation:
    name = f"provider={shlex.quote(one.provider)} model={shlex.quote(one.model)}"
    told = '--reason "their price list"'
    ways = [Way("command", f"tollkeeper prices add {name} input=… output=… {told}")]
    if one.near is not None:
        ways.insert(0, Way("command", f"tollkeeper prices add --kind alias {name} is={shlex.quote(one.near)} {told}"))
    return Recommendation(
        kind="price_missing",
        scope={"provider": one.provider},
        subject=f"{one.provider} {one.model}",
        title=f"{one.model or 'calls without a model'} of {one.provider} has no price",
        evidence={"calls": one.calls, "tokens": one.tokens, "reason": one.reason, "near": one.near},
        spend=None,
        saving=None,
        confidence="high" if one.near is None else "medium",
        rests_on=(
            f"{one.calls:,} calls with {one.tokens:,} tokens: {one.reason}",
            "what they cost is in no sum, and no limit in dollars lets them go",
        ),
        ways=tuple(ways),
        risks=("A price that is guessed is wrong in every sum: take it from the provider's list.",),
    )


def _differing(facts: Facts, provider: str, model: str, uses: list[Use]) -> Iterator[Recommendation]:
    listed = [facts.prices.of(use) for use in uses]
    said = sum(use.nano_usd for use in uses)
    if any(each is None for each in listed) or not said:
        return
    ours = sum(each or 0 for each in listed)
    factor = ours / said
    if abs(factor - 1) <= DIFFERS:
        return
    calls = sum(use.calls for use in uses)
    yield Recommendation(
        kind="price_differs",
        scope={"provider": provider},
        subject=f"{provider} {model}",
        title=f"{provider} charges {said / ours - 1:+.1%} on the list price of {model}" if ours else
        f"{provider} charges for {model}, which is listed as free",
        evidence={
            "calls": calls,
            "said_nano_usd": said,
            "listed_nano_usd": ours,
            "difference_nano_usd": said - ours,
        },
        spend=None,
        saving=None,
        confidence="high",
        rests_on=(
            f"{calls:,} calls of which the provider itself named the cost; sums have that cost, and are right",
            "estimates before a call, and what-if, go by the list price, and are not",
        ),
        ways=(
            Way(
                "command",
                f"tollkeeper prices add provider={shlex.quote(provider)} model={shlex.quote(model)}"
                ' input=… output=… --reason "what they charge"',
            ),
        ),
        risks=("The provider may have charged for what is no token, such as searches: look at some of the calls.",),
    )  # fmt: skip
