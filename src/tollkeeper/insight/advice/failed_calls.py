"""Calls that brought nothing and were paid for: errors after the model had worked, and streams left half-way."""

from __future__ import annotations

from collections.abc import Iterator

from tollkeeper.insight.advice.facts import Facts, Failed, Task
from tollkeeper.insight.advice.money import FEWEST_DAYS, LEAST_SAVING, a_month, confidence_of, days_of, saving_of
from tollkeeper.insight.advice.recommendation import Recommendation, Way, least
from tollkeeper.insight.advice.tasks import scope_of, whose

ABANDONED = "abandoned"
FEWEST = 10


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For tasks whose failed calls cost enough."""
    by_task: dict[Task, list[Failed]] = {}
    for failed in facts.failed:
        by_task.setdefault(failed.task, []).append(failed)
    for task, ends in by_task.items():
        daily = facts.daily.get(task, ())
        days, nano_usd = days_of(daily), sum(each.nano_usd for each in ends)
        number = sum(each.calls for each in ends)
        if days >= FEWEST_DAYS and number >= FEWEST and a_month(nano_usd, days) // 2 >= LEAST_SAVING:
            yield _recommendation(task, ends, nano_usd, days, sum(daily))


def _recommendation(task: Task, ends: list[Failed], nano_usd: int, days: int, all_nano_usd: int) -> Recommendation:
    ends = sorted(ends, key=lambda each: (-each.nano_usd, each.ended))
    wasted = a_month(nano_usd, days)
    spend = max(a_month(all_nano_usd, days), wasted)
    uncosted = sum(each.calls - each.costed for each in ends)
    return Recommendation(
        kind="failed_calls",
        scope=scope_of(task),
        subject=f"{task.provider} {task.asked} {task.operation}",
        title=f"Paid for and thrown away: {ends[0].ended} of {whose(task)} with {task.asked}",
        evidence={
            "days": days,
            "ends": [{"ended": each.ended, "calls": each.calls, "cost_nano_usd": each.nano_usd} for each in ends[:5]],
            "cost_nano_usd": nano_usd,
            "calls_of_unknown_cost": uncosted,
            "provider": task.provider,
            "model": task.asked,
        },
        spend=spend,
        saving=saving_of(0, wasted // 2, wasted, spend),
        confidence=least("low" if uncosted else "medium", confidence_of(days)),
        rests_on=(
            f"{sum(each.calls for each in ends):,} calls that failed or were left, and what of them is known to cost",
            "that half of it can be avoided is a guess",
            *((f"of {uncosted:,} of them nobody knows whether the provider has billed them",) if uncosted else ()),
        ),
        ways=(_way(ends[0].ended),),
        risks=("A longer timeout lets a call that hangs be waited for longer.",),
    )


def _way(ended: str) -> Way:
    if ended == ABANDONED:
        told = "# Ask for less before the stream begins, rather than leaving it: what was made is billed.\n"
        return Way("code", told + "client.chat.completions.create(model=model, messages=messages, max_tokens=512)")
    told = "# A timeout that is longer than an answer takes, and few retries: each one is billed anew.\n"
    return Way("code", told + "client = client.with_options(timeout=120.0, max_retries=1)")
