"""Invoice lines of a day of a model, put together so that they can be set against the ledger's sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from tollkeeper.insight.reconcile.cell import Billed
from tollkeeper.insight.reconcile.line import NANO_PLACES, InvoiceLine, Item, nano_usd, total
from tollkeeper.insight.reconcile.recorded import Sums

Form = Literal["split", "prompt", "total"]
"""How finely an invoice counts: cached input apart, input as a whole, or all tokens in one sum."""
Group = str

GROUPS: Mapping[Item, Group] = {
    "input": "input", "cache_read": "cache_read", "cache_write": "cache_write", "cache_write_5m": "cache_write",
    "cache_write_1h": "cache_write", "prompt": "prompt", "output": "output", "total": "total",
}  # fmt: skip
OF_LEDGER: Mapping[Form, Callable[[Sums], Mapping[Group, int]]] = {
    "split": lambda sums: {
        "input": sums.input, "cache_read": sums.cache_read, "cache_write": sums.cache_write, "output": sums.output
    },
    "prompt": lambda sums: {"prompt": sums.input + sums.cache_read + sums.cache_write, "output": sums.output},
    "total": lambda sums: {"total": sums.tokens},
}  # fmt: skip
WHOLE: Mapping[Form, Mapping[Group, Group]] = {
    "split": {},
    "prompt": {"input": "prompt", "cache_read": "prompt", "cache_write": "prompt"},
    "total": dict.fromkeys(("input", "cache_read", "cache_write", "prompt", "output"), "total"),
}
"""Where some lines count more finely than others, the coarser is what can be compared."""


@dataclass(slots=True)
class Invoiced:
    """Of one day of one model. `amounts` are by item, too, as far as the source says them so."""

    lines: list[InvoiceLine] = field(default_factory=list)
    usage: bool = False
    """Whether the source counts tokens apart from money on this day."""

    def without(self, keys: Iterable[str]) -> Invoiced:
        """What is left without the lines of these keys or projects."""
        gone = set(keys)
        left = [line for line in self.lines if not gone & {line.key, line.project} - {""}]
        return Invoiced(left, self.usage)

    def of(self, own: Collection[str]) -> Invoiced:
        """The lines of these keys or projects, and those that name none."""
        left = [line for line in self.lines if not (line.key or line.project) or {line.key, line.project} & set(own)]
        return Invoiced(left, self.usage)

    @property
    def counting(self) -> list[InvoiceLine]:
        """The lines that count tokens."""
        wanted = "usage" if self.usage else "cost"
        return [line for line in self.lines if line.told == wanted]

    @property
    def form(self) -> Form:
        items = {line.item for line in self.counting if line.tokens is not None}
        return "total" if "total" in items else "prompt" if "prompt" in items else "split"

    def tokens(self) -> Mapping[Group, int] | None:
        """By group; `None`: the source does not count any."""
        counted = [line for line in self.counting if line.tokens is not None and line.item in GROUPS]
        if not counted:
            return None
        return self._grouped((line.item, line.tokens or 0) for line in counted)

    def _grouped(self, counted: Iterable[tuple[Item, int]]) -> Mapping[Group, int]:
        form = self.form
        sums = dict.fromkeys(OF_LEDGER[form](Sums()), 0)
        for item, number in counted:
            group = WHOLE[form].get(GROUPS[item], GROUPS[item])
            sums[group] += number
        return sums

    def requests(self) -> int | None:
        """`None`: the source does not count them."""
        counted = [line.requests for line in self.counting if line.requests is not None]
        return sum(counted) if counted else None

    def amount(self) -> Decimal | None:
        """In dollars; `None`: the source tells no money."""
        amounts = [line.amount for line in self.lines if line.amount is not None]
        return total(amounts) if amounts else None

    def unit_prices(self) -> Mapping[Group, Decimal]:
        """Dollars a token, of the groups of which both the money and the tokens are told."""
        form, tokens = self.form, self.tokens() or {}
        money: dict[Group, Decimal] = {}
        for line in self.lines:
            if line.amount is not None and line.item in GROUPS:
                group = WHOLE[form].get(GROUPS[line.item], GROUPS[line.item])
                money[group] = total((money.get(group, Decimal(0)), line.amount))
        if form != "total" and "total" in money:
            return {}
        return {group: amount / tokens[group] for group, amount in money.items() if tokens.get(group)}

    def tier_shares(self) -> Mapping[str, float]:
        """The parts of what is billed by tariff, as if all had one price; where prices are not told, of tokens."""
        form, prices = self.form, self.unit_prices()
        found: dict[str, float] = defaultdict(float)
        for line in self.counting:
            if line.tier and line.tokens and line.item in GROUPS:
                group = WHOLE[form].get(GROUPS[line.item], GROUPS[line.item])
                found[line.tier] += line.tokens * float(prices.get(group, 0 if prices else 1))
        whole = sum(found.values())
        return {tier: part / whole for tier, part in found.items()} if whole else {}

    def clients(self) -> set[str]:
        """The keys and projects on whose behalf something was billed."""
        return {name for line in self.lines for name in (line.key, line.project) if name}

    def rounding(self, unit: Decimal, calls: int) -> int:
        """By how many nano-dollars the sum can be off: half a unit for each line, and half a nano for each call."""
        amounts = sum(line.amount is not None for line in self.lines)
        return int(unit.scaleb(NANO_PLACES) * amounts / 2) + calls // 2 + 1

    def billed(self) -> Billed:
        tokens, amount = self.tokens(), self.amount()
        return Billed(
            self.requests(),
            None if tokens is None else sum(tokens.values()),
            None if amount is None else nano_usd(amount),
        )


ENOUGH_AMOUNTS = 10
"""Of fewer, the last decimal place says nothing about how a source rounds."""

Cells = Mapping[tuple[str, date, str], Invoiced]
"""By provider, day and model."""


def gathered(
    lines: Sequence[InvoiceLine], names: Mapping[tuple[str, str], str]
) -> dict[tuple[str, date, str], Invoiced]:
    """The lines by cell. `names` says which model is meant, by provider and name."""
    counts_apart = {(line.source, line.day) for line in lines if line.told == "usage"}
    cells: dict[tuple[str, date, str], Invoiced] = {}
    for line in lines:
        model = names.get((line.provider, line.model), line.model)
        cell = cells.setdefault(
            (line.provider, line.day, model), Invoiced(usage=(line.source, line.day) in counts_apart)
        )
        cell.lines.append(line)
    return cells


def one_source(lines: Sequence[InvoiceLine], order: Sequence[str]) -> list[InvoiceLine]:
    """Of each day the lines of one source only: the first in `order`, then that which tells money, then by its name."""
    tells_money = {(line.source, line.day) for line in lines if line.amount is not None}
    place = {name: number for number, name in enumerate(order)}
    best: dict[date, tuple[int, bool, str]] = {}
    for line in lines:
        rank = place.get(line.source, len(place)), (line.source, line.day) not in tells_money, line.source
        best[line.day] = min(best.get(line.day, rank), rank)
    return [line for line in lines if line.source == best[line.day][2]]


def smallest_units(lines: Iterable[InvoiceLine]) -> Mapping[str, Decimal]:
    """By source, the last decimal place that its amounts are told to, where they are enough to tell."""
    found: dict[str, Decimal] = {}
    counts: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.amount is not None and line.amount:
            exponent = line.amount.normalize().as_tuple().exponent
            unit = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
            found[line.source] = min(found.get(line.source, Decimal(1)), unit)
            counts[line.source] += 1
    return {source: unit for source, unit in found.items() if counts[source] >= ENOUGH_AMOUNTS}
