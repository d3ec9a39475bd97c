"""Prompts that are sent again and again: by their digests, where an app was asked to make them (`hash_prompts`)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tollkeeper.insight.advice.facts import Facts, Repeated
from tollkeeper.insight.advice.money import LEAST_SAVING, confidence_of, saving_of, spread
from tollkeeper.insight.advice.recommendation import Recommendation, Way, least
from tollkeeper.insight.advice.tasks import Spent, scope_of, spent_by_task, whose

MEMO = """\
@functools.lru_cache(maxsize=10_000)
def answer(prompt: str) -> str:
    messages = [{{"role": "user", "content": prompt}}]
    return client.chat.completions.create(model={model}, messages=messages).choices[0].message.content
"""


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For tasks whose repeated prompts cost enough."""
    by_task = {spent.task: spent for spent in spent_by_task(facts)}
    for repeated in facts.repeated:
        spent = by_task.get(repeated.task)
        if spent is not None and spent.month(repeated.repeats_a_day_nano_usd) >= LEAST_SAVING:
            yield _recommendation(spent, repeated)


def _recommendation(spent: Spent, repeated: Repeated) -> Recommendation:
    task = spent.task
    spend = max(spent.month(spent.nano_usd), spent.month(repeated.repeats_nano_usd))
    within_a_day = spent.month(repeated.repeats_a_day_nano_usd)
    ever = spent.month(repeated.repeats_nano_usd)
    return Recommendation(
        kind="duplicate_prompts",
        scope=scope_of(task),
        subject=f"{task.provider} {task.asked} {task.operation}",
        title=f"Keep the answers of {whose(task)} with {task.asked}: the same prompts come again",
        evidence={
            "days": spent.days,
            "calls": spent.calls,
            "repeated_prompts": repeated.prompts,
            "repeats": repeated.repeats,
            "repeats_nano_usd": repeated.repeats_nano_usd,
            "repeats_within_a_day": repeated.repeats_a_day,
            "repeats_within_a_day_nano_usd": repeated.repeats_a_day_nano_usd,
            "provider": task.provider,
            "model": task.asked,
        },
        spend=spend,
        saving=saving_of(within_a_day, within_a_day, ever, spend, spread(spent.daily)),
        confidence=least("high", confidence_of(spent.days)),
        rests_on=(
            f"{repeated.prompts:,} prompts were sent {repeated.calls:,} times, to the letter: {repeated.repeats:,} of"
            f" these calls had been made before, {repeated.repeats_a_day:,} of them on the same day",
            "each repeat is taken to cost as much as the other calls with its prompt",
        ),
        ways=(Way("code", MEMO.format(model=json.dumps(task.asked))),),
        risks=(
            "Whoever wants another answer each time (a temperature above 0) gets the old one.",
            "Kept answers grow old; and one user's answer must not be another's, if it holds what is private.",
        ),
    )
