"""Slower processing at a lower price, for calls that nobody waits for: the batch API, and the flex tier.

That nobody waits is read from how calls are made: not streamed, without a user or a session, and in few hours of the
day or at night. It is a guess, and is told as one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tollkeeper.insight.advice.facts import Facts, Rhythm, Use
from tollkeeper.insight.advice.money import LEAST_SAVING, confidence_of, saving_of, spread
from tollkeeper.insight.advice.prices import PricesNow
from tollkeeper.insight.advice.recommendation import Confidence, Kind, Recommendation, Way, least
from tollkeeper.insight.advice.tasks import Spent, in_tier, scope_of, spent_by_task, whose

NIGHT = frozenset((22, 23, 0, 1, 2, 3, 4, 5))
"""Hours of UTC."""
MOST_ATTENDED = 0.05
FEW_HOURS = 6
MOST_OF_CALLS = 0.8
"""In so few hours of the day, or at night, so great a share of the calls: a job that runs by the clock."""
OPERATIONS = frozenset(("chat", "generate_content", "text_completion", "embeddings"))


class Patience(NamedTuple):
    """Whether anybody waits for the calls of a task: shares of one."""

    streamed: float
    attended: float
    at_night: float
    in_few_hours: float

    @property
    def nobody_waits(self) -> bool:
        """As far as the way tells in which they are made."""
        return self.streamed == 0 and self.attended <= MOST_ATTENDED

    @property
    def by_the_clock(self) -> bool:
        """Whether they come as those of a job do."""
        return max(self.at_night, self.in_few_hours) >= MOST_OF_CALLS


class _Offer(NamedTuple):
    kind: Kind
    tier: str
    title: str
    ways: Callable[[Use], tuple[Way, ...]]
    risks: tuple[str, ...]


ANTHROPIC_BATCH = """\
requests = [{{"custom_id": str(n), "params": {{"model": {model}, **params}}}} for n, params in enumerate(jobs)]
batch = client.messages.batches.create(requests=requests)
"""
GOOGLE_BATCH = """\
batch = client.batches.create(model={model}, src=requests)
"""
OPENAI_BATCH = """\
url = "/v1/chat/completions"
lines = [
    json.dumps({{"custom_id": str(n), "method": "POST", "url": url, "body": {{"model": {model}, **params}}}})
    for n, params in enumerate(jobs)
]
file = client.files.create(file=("jobs.jsonl", "\\n".join(lines).encode()), purpose="batch")
batch = client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
"""
FLEX = """\
client.chat.completions.create(model={model}, service_tier="flex", messages=messages, timeout=900)
"""


def _batch_ways(use: Use) -> tuple[Way, ...]:
    provider = use.task.provider
    lines = GOOGLE_BATCH if provider.startswith("gcp.") else OPENAI_BATCH
    return _code(ANTHROPIC_BATCH if provider == "anthropic" else lines, use)


def _flex_ways(use: Use) -> tuple[Way, ...]:
    return _code(FLEX, use)


def _code(lines: str, use: Use) -> tuple[Way, ...]:
    return (Way("code", lines.format(model=json.dumps(use.task.asked))),)


OFFERS = (
    _Offer(
        "batch",
        "batch",
        "The batch API for",
        _batch_ways,
        (
            "Answers come within a day, not at once: whatever reads them must be able to wait.",
            "A batch fails line by line: failed lines are to be sent again.",
        ),
    ),
    _Offer(
        "flex",
        "flex",
        "The flex tier for",
        _flex_ways,
        (
            "Answers take longer, minutes at times: give the client a longer timeout.",
            "At busy times the provider answers 429 (resource unavailable): try again, or use the standard tier.",
        ),
    ),
)


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For tasks that nobody seems to wait for, each tier in which they have a price."""
    for spent in spent_by_task(facts, tiers=("",)):
        patience = _patience(spent, facts.rhythms.get(spent.task))
        if spent.task.operation in OPERATIONS and patience is not None and patience.nobody_waits:
            for offer in OFFERS:
                one = _recommendation(spent, patience, offer, facts.prices)
                if one is not None:
                    yield one


def _recommendation(spent: Spent, patience: Patience, offer: _Offer, prices: PricesNow) -> Recommendation | None:
    if any(use.named for use in spent.uses):
        return None
    there = in_tier(spent.uses, prices, offer.tier)
    if there is None or there >= spent.nano_usd:
        return None
    spend, saving = spent.month(spent.nano_usd), spent.month(spent.nano_usd - there)
    if saving < LEAST_SAVING:
        return None
    task, guess = spent.task, "medium" if patience.by_the_clock else "low"
    # Some of the calls may have to stay where they are.
    least_of_them = saving if patience.by_the_clock else saving // 2
    sure: Confidence = least("medium" if guess == "medium" else "low", confidence_of(spent.days))
    return Recommendation(
        kind=offer.kind,
        scope=scope_of(task),
        subject=f"{task.provider} {task.asked} {task.operation}",
        title=f"{offer.title} {whose(task)} with {task.asked}",
        evidence={
            "days": spent.days,
            "calls": spent.calls,
            "cost_nano_usd": spent.nano_usd,
            "tier_cost_nano_usd": there,
            **{f"{name}_percent": round(100 * share, 1) for name, share in patience._asdict().items()},
            "provider": task.provider,
            "model": task.asked,
        },
        spend=spend,
        saving=saving_of(least_of_them, saving, saving, spend, spread(spent.daily)),
        confidence=sure,
        rests_on=(
            spent.basis,
            "nobody waits for them: none was streamed, and hardly one has a user or a session"
            + (", and most come in a few hours of the day" if patience.by_the_clock else ""),
        ),
        ways=offer.ways(spent.uses[0]),
        risks=offer.risks,
    )


def _patience(spent: Spent, rhythm: Rhythm | None) -> Patience | None:
    if rhythm is None or not (calls := sum(rhythm.calls_by_hour)):
        return None
    hours = rhythm.calls_by_hour
    return Patience(
        sum(use.streamed for use in spent.uses) / spent.calls,
        sum(use.attended for use in spent.uses) / spent.calls,
        sum(number for hour, number in enumerate(hours) if hour in NIGHT) / calls,
        sum(sorted(hours)[-FEW_HOURS:]) / calls,
    )
