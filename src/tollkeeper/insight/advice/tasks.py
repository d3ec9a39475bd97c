"""What several kinds of advice look at first: all the uses of a task together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from tollkeeper.insight.advice.facts import Facts, Task, Use
from tollkeeper.insight.advice.money import FEWEST_DAYS, a_month, days_of, usual
from tollkeeper.insight.advice.prices import PricesNow

FEWEST_CALLS = 30


class Spent(NamedTuple):
    """A task, its uses that have a price now, and what they cost now, in nano-dollars; in so many days.

    `daily` are the days without what was not usual, `share` is what that leaves of them.
    """

    task: Task
    uses: tuple[Use, ...]
    nano_usd: int
    days: int
    daily: tuple[Fraction, ...]
    share: Fraction = Fraction(1)

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(use.calls for use in self.uses)

    def month(self, amount: int) -> int:
        """What it comes to in a month, if it was so much in these days."""
        return a_month(round(amount * self.share), self.days)

    @property
    def basis(self) -> str:
        """What it all rests on, to be read."""
        told = f"{self.calls:,} calls of {self.days} days at today's prices"
        unusual = 1 - self.share
        return f"{told}, without {float(unusual):.0%} of it, of days that were not usual" if unusual else told


def spent_by_task(facts: Facts, tiers: Sequence[str] | None = None) -> Iterator[Spent]:
    """Tasks with enough calls and days to say something, in these tiers (all, if not given), the dearest first."""
    by_task: dict[Task, list[tuple[Use, int]]] = {}
    for use in facts.uses:
        now = price_now(use, facts.prices)
        if now and (tiers is None or use.tier in tiers):
            by_task.setdefault(use.task, []).append((use, now))
    found = []
    for task, priced in by_task.items():
        daily = facts.daily.get(task, ())
        days = days_of(daily)
        uses = tuple(use for use, _ in priced)
        # Days with calls, and not only since the first of them: what was done once need not come again.
        if sum(map(bool, daily)) >= FEWEST_DAYS and sum(use.calls for use in uses) >= FEWEST_CALLS:
            capped = usual(daily)
            share = Fraction(sum(capped)) / sum(daily)
            found.append(Spent(task, uses, sum(now for _, now in priced), days, capped, share))
    return iter(sorted(found, key=lambda one: (-one.nano_usd, one.task)))


def price_now(use: Use, prices: PricesNow) -> int | None:
    """What it costs now; where the provider names the cost, or no price is known, what it did cost."""
    if use.named:
        return use.nano_usd
    now = prices.of(use)
    return now if now is not None else use.nano_usd if use.costed == use.calls else None


def repriced(uses: Iterable[Use], prices: PricesNow, provider: str, model: str) -> int | None:
    """What they would cost now by another model; `None` where one of them would have no price."""
    total = 0
    for use in uses:
        cost = prices.of(use, provider=provider, model=model)
        if cost is None:
            return None
        total += cost
    return total


def in_tier(uses: Iterable[Use], prices: PricesNow, tier: str) -> int | None:
    """What they would cost now in another tier; `None` where one of them would have no price."""
    total = 0
    for use in uses:
        cost = prices.of(use, tier=tier)
        if cost is None:
            return None
        total += cost
    return total


def whose(task: Task) -> str:
    """The feature, to be read."""
    return f"feature {task.feature}" if task.feature else "calls without a feature"


def scope_of(task: Task) -> dict[str, str]:
    """Whose calls they are."""
    return {"feature": task.feature}
