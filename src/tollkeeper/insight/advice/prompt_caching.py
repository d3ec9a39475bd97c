"""Prompt caching: whether writing a prompt's beginning to the cache pays, by how often it would be read again.

What prompts begin with is in no ledger. That the calls of a feature put in much the same number of tokens is a hint
that most of it is the same each time, and no more: so the range begins at nothing, and the confidence is low.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from tollkeeper.insight.advice.facts import Facts, Histogram, Rhythm
from tollkeeper.insight.advice.money import LEAST_SAVING, saving_of, spread
from tollkeeper.insight.advice.prices import nano
from tollkeeper.insight.advice.recommendation import Recommendation, Way
from tollkeeper.insight.advice.tasks import Spent, scope_of, spent_by_task, whose
from tollkeeper.model.usage import Meter
from tollkeeper.pricing.rates import EXACT, Rates

SHORTEST = 1024
"""Tokens, below which nothing is cached; 4,096 for some models.
https://platform.openai.com/docs/guides/prompt-caching,
https://docs.claude.com/en/docs/build-with-claude/prompt-caching#cache-limitations"""
MOST_SPREAD = 0.5
"""Of the standard deviation of the input over its mean: what differs more is not the same prompt again."""
NEARLY_ALL = 0.05
"""The share of calls that have less input than what is taken for the common beginning."""
LONGER_BY = 1.5
"""So many times as much an hour's cache is to save as that of five minutes, whose writing is cheaper: calls that come
one after the other keep it alive, which stretches by the clock do not show."""


class Break(NamedTuple):
    """Unit prices in US dollars a token, and how many reads pay for a write."""

    plain: Decimal
    read: Decimal
    write: Decimal

    @property
    def reads_a_write(self) -> float | None:
        """From how many reads of what was written once on it saves; `None`: it never does."""
        gain = self.plain - self.read
        return float(max(self.write - self.plain, Decimal(0)) / gain) if gain > 0 else None


class Cache(NamedTuple):
    """How a cache would be used that lives so many minutes, and what that saves, in nano-dollars."""

    minutes: int
    at: Break
    reads_a_write: float
    reads: int
    writes: int
    saved: int

    @property
    def pays(self) -> bool:
        """Whether it is read often enough for what writing it costs."""
        return self.reads > self.writes * self.reads_a_write


def advise(facts: Facts) -> Iterator[Recommendation]:
    """For tasks whose calls put in much the same, and often enough."""
    for spent in spent_by_task(facts, tiers=("",)):
        one = _recommendation(facts, spent)
        if one is not None:
            yield one


def _recommendation(facts: Facts, spent: Spent) -> Recommendation | None:
    task, use = spent.task, spent.uses[0]
    rates = facts.prices.rates(use)
    rhythm, inputs = facts.rhythms.get(task), facts.inputs.get(task)
    if not isinstance(rates, Rates) or rhythm is None or inputs is None or any(each.named for each in spent.uses):
        return None
    begins = common_beginning(spent, inputs)
    best = _best(rates, spent, rhythm, begins) if begins >= SHORTEST else None
    if best is None:
        return None
    reads, writes = best.reads, best.writes
    cached = sum(each.cache_read_tokens for each in spent.uses)
    most = spent.month(best.saved)
    spend = spent.month(spent.nano_usd)
    if most // 2 < LEAST_SAVING:
        return None
    lives = "an hour" if best.minutes == 60 else "five minutes"
    return Recommendation(
        kind="prompt_caching",
        scope=scope_of(task),
        subject=f"{task.provider} {task.asked} {task.operation}",
        title=f"Prompt caching for {whose(task)} with {task.asked}",
        evidence={
            "days": spent.days,
            "calls": spent.calls,
            "cost_nano_usd": spent.nano_usd,
            "common_input_tokens": begins,
            "cache_lives_minutes": best.minutes,
            "reads": reads,
            "writes": writes,
            "reads_a_write": round(reads / writes, 2) if writes else None,
            "break_even_reads_a_write": round(best.reads_a_write, 3),
            "cached_percent": round(100 * cached / max(sum(each.input_tokens for each in spent.uses), 1), 1),
            "provider": task.provider,
            "model": task.asked,
        },
        spend=spend,
        saving=saving_of(0, most // 2, most, spend, spread(spent.daily)),
        confidence="low",
        rests_on=(
            f"{spent.calls:,} calls in {writes:,} stretches of {lives}: each is taken to write the cache once",
            f"all but {NEARLY_ALL:.0%} of the calls put in {begins:,} tokens or more; that these are the same text is"
            " not known: half of that is what is likely, and nothing is the least",
            f"a write pays from {best.reads_a_write:.2f} reads on; here there would be {reads / max(writes, 1):.1f}",
        ),
        ways=(_way(task.provider, task.asked, best.minutes),),
        risks=(
            "What changes must stand at the end of the prompt: a date or a name at its beginning spoils the cache.",
            "Where calls come further apart than the cache lives, each of them pays for writing it.",
        ),
    )


def _best(rates: Rates, spent: Spent, rhythm: Rhythm, begins: int) -> Cache | None:
    """The cache of five minutes, or of an hour where that is told apart and saves clearly more; if either pays."""
    short = _cache(5, break_even(rates), spent, rhythm.windows, begins)
    long = None
    if spent.task.provider == "anthropic" and rhythm.hours:
        long = _cache(60, break_even(rates, "cache_write_1h"), spent, rhythm.hours, begins)
    if short is None or long is None:
        return short or long
    return long if long.saved > LONGER_BY * short.saved else short


def _cache(minutes: int, at: Break | None, spent: Spent, stretches: int, begins: int) -> Cache | None:
    if at is None or at.reads_a_write is None:
        return None
    writes = min(stretches, spent.calls)
    reads = spent.calls - writes
    cached = sum(each.cache_read_tokens for each in spent.uses)
    found = Cache(minutes, at, at.reads_a_write, reads, writes, _saved(at, begins, reads, writes, cached))
    return found if found.pays else None


def break_even(rates: Rates, write: Meter = "cache_write_5m") -> Break | None:
    """What reading and writing a cache costs, of calls with little input; `None` where it is not priced."""
    table = rates.table(0)
    if not {"input", "cache_read", write} <= table.keys():
        return None
    return Break(table["input"], table["cache_read"], table[write])


def common_beginning(spent: Spent, inputs: Histogram) -> int:
    """The tokens that nearly all calls put in at least; 0 where they differ too much to be the same prompt."""
    calls, total = spent.calls, sum(use.input_tokens for use in spent.uses)
    if not calls or not total:
        return 0
    mean = total / calls
    variance = max(math.fsum(use.input_squares for use in spent.uses) / calls - mean**2, 0.0)
    if math.sqrt(variance) > MOST_SPREAD * mean:
        return 0
    # A bucket tells the most that is in it: the least may be a ninth below.
    return inputs.least_of(NEARLY_ALL) * 8 // 9


def _saved(at: Break, begins: int, reads: int, writes: int, cached: int) -> int:
    """In nano-dollars; without what is read from a cache already."""
    more = max(begins * reads - cached, 0)
    gain = EXACT.multiply(EXACT.subtract(at.plain, at.read), Decimal(more))
    price = EXACT.multiply(EXACT.subtract(at.write, at.plain), Decimal(begins * writes if more else 0))
    return max(nano(EXACT.subtract(gain, price)), 0)


def _way(provider: str, model: str, minutes: int) -> Way:
    if provider == "anthropic":
        lives = ', "ttl": "1h"' if minutes == 60 else ""
        return Way(
            "code",
            f"client.messages.create(model={json.dumps(model)}, max_tokens=max_tokens, messages=messages,\n"
            '    system=[{"type": "text", "text": instructions, "cache_control": {"type": "ephemeral"' + lives + "}}])",
        )
    return Way(
        "code",
        "# What is the same each time comes first: the provider caches the beginning by itself.\n"
        'messages = [{"role": "system", "content": instructions}, *examples, {"role": "user", "content": question}]',
    )
