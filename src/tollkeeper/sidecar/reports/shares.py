"""What several kinds of report say alike: how sums are put into rows, and what is missing from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tollkeeper.sidecar.reports.document import Chart, Column, Line, Table, Value
from tollkeeper.sidecar.reports.material import NANOSECONDS_A_MILLISECOND, Material
from tollkeeper.sidecar.totals import add, nano_usd, tokens_known
from tollkeeper.storage.ledger import Totals
from tollkeeper.storage.ledger.contract import Dimension

NOBODY: Final = "(none)"
"""Calls that do not say so."""
OTHERS: Final = "others"
MOST_ROWS: Final = 10_000
"""Of a table: what has cost less is one row together."""
MOST_LINES: Final = 6
"""Of a chart: what is less is put together."""

SUMS: Final = (
    Column("calls", "Calls", "count"),
    Column("failed_calls", "Failed", "count"),
    Column("prompt_tokens", "Input tokens", "count"),
    Column("completion_tokens", "Output tokens", "count"),
    Column("cost", "Cost", "money"),
)
SHARE: Final = Column("share", "Share", "percent")


def sums_of(totals: Totals) -> tuple[Value, ...]:
    """The cells of `SUMS`."""
    known = tokens_known(totals)
    return (
        totals.calls,
        totals.failed,
        totals.input_tokens if known else None,
        totals.output_tokens if known else None,
        nano_usd(totals),
    )


def table_by(name: Dimension, material: Material, title: str) -> Table:
    """A line for each value of a dimension, the dearest first, with its share of the cost."""
    rows = material.usage((name,))
    rows.sort(key=lambda row: (-row.totals.nano_usd, -row.totals.calls, row.group))
    total = add(row.totals for row in rows)
    shown = [(row.group[0] or NOBODY, row.totals) for row in rows[:MOST_ROWS]]
    if rest := rows[MOST_ROWS:]:
        shown.append((f"{len(rest):,} {OTHERS}", add(row.totals for row in rest)))
    heading = Column(name, name.capitalize(), "text")
    return Table(
        f"by_{name}",
        title,
        (heading, *SUMS, SHARE),
        [(value, *sums_of(totals), share(nano_usd(totals), total.nano_usd)) for value, totals in shown],
        ("Total", *sums_of(total), share(total.nano_usd, total.nano_usd)) if rows else None,
        "No calls.",
    )


def share(part: int | None, whole: int) -> float | None:
    """In percent; of nothing there is none."""
    return part * 100 / whole if whole and part is not None else None


def change(now: int | None, before: int | None) -> str:
    """By how much it has changed, in words; empty where either is not known."""
    if now is None or before is None or before < 0:
        return ""
    if not before:
        return "nothing in the period before" if now else ""
    return f"{(now - before) * 100 / before:+,.1f} % on the period before"


def average_cost(totals: Totals) -> int | None:
    """Of a call whose cost is known, in nano-dollars, rounded half to even."""
    return round_ratio(totals.nano_usd, totals.costed) if totals.costed else None


def average_milliseconds(totals: Totals) -> int | None:
    """Of a call whose duration is known."""
    return round(totals.duration_ns / totals.timed / NANOSECONDS_A_MILLISECOND) if totals.timed else None


def round_ratio(above: int, below: int) -> int:
    """A quotient as a whole number, rounded half to even, without passing through a float."""
    whole, rest = divmod(above, below)
    return whole + (1 if rest * 2 > below or (rest * 2 == below and whole % 2) else 0)


def stacked_days(material: Material, name: Dimension, title: str) -> Chart:
    """The cost of each day, by the dearest values of a dimension."""
    days = material.by_day((name,))
    costs: dict[str, int] = {}
    for groups in days.values():
        for (value,), totals in groups.items():
            costs[value] = costs.get(value, 0) + totals.nano_usd
    largest = sorted((value for value, cost in costs.items() if cost), key=lambda value: (-costs[value], value))
    # One more is shown by its name rather than as others.
    kept = largest if len(largest) <= MOST_LINES else largest[: MOST_LINES - 1]
    lines = [Line(value or NOBODY, [_cost(groups, value) for groups in days.values()]) for value in kept]
    if len(kept) < len(largest):
        rest = [sum(_cost(groups, value) for value in largest[len(kept) :]) for groups in days.values()]
        lines.append(Line(OTHERS, rest))
    return Chart(title, "columns", "money", [f"{day.day} {day:%b}" for day in days], lines)


def _cost(groups: Mapping[tuple[str, ...], Totals], value: str) -> int:
    totals = groups.get((value,))
    return totals.nano_usd if totals else 0


def missing(totals: Totals) -> Iterator[str]:
    """What is in no sum of money, and why."""
    if totals.unpriced:
        calls = "1 call has" if totals.unpriced == 1 else f"{totals.unpriced:,} calls have"
        yield f"{calls} no price. What they cost is unknown, and in no amount here."
    if totals.unmeasured:
        calls = "Of 1 answered call" if totals.unmeasured == 1 else f"Of {totals.unmeasured:,} answered calls"
        yield f"{calls} nobody knows the usage: its tokens and cost are in no sum here."


ROUNDED: Final = (
    "Amounts are exact to the billionth of a dollar, and rounded only where they are shown. Sums are of exact amounts, "
    "so what is shown of their parts may add up to a cent more or less."
)
