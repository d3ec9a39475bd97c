"""The cost summary: what each day cost, and who and what it went to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from tollkeeper.sidecar.reports.document import Column, Figure, Section, Table
from tollkeeper.sidecar.reports.material import Material
from tollkeeper.sidecar.reports.outlooks import of_month
from tollkeeper.sidecar.reports.shares import (
    ROUNDED,
    SUMS,
    average_cost,
    change,
    missing,
    stacked_days,
    sums_of,
    table_by,
)
from tollkeeper.sidecar.totals import add, nano_usd, tokens_known
from tollkeeper.storage.ledger import Totals
from tollkeeper.storage.ledger.contract import Dimension

BREAKDOWNS: tuple[tuple[Dimension, str], ...] = (
    ("provider", "By provider"),
    ("model", "By model"),
    ("tenant", "By tenant"),
    ("feature", "By feature"),
)


def sections(material: Material) -> list[Section]:
    """What was spent, day by day, and on whom."""
    days = {day: add(groups.values()) for day, groups in material.by_day().items()}
    total = material.total()
    return [
        Section(
            "Summary",
            figures=list(figures(material, total, days)),
            charts=[stacked_days(material, "provider", "Cost by day and provider")] if total.nano_usd else [],
            notes=[*missing(total)],
        ),
        *of_month(material),
        Section("Day by day", tables=[by_day_table(material)], notes=[ROUNDED]),
        *(Section(title, tables=[table_by(name, material, title)]) for name, title in BREAKDOWNS),
    ]


def figures(material: Material, total: Totals, days: Mapping[date, Totals]) -> Iterator[Figure]:
    """The totals that a summary begins with."""
    before = material.total(material.asked.before())
    yield Figure("Cost", nano_usd(total), "money", change(nano_usd(total), nano_usd(before)))
    yield Figure("Calls", total.calls, "count", change(total.calls, before.calls))
    tokens = total.input_tokens + total.output_tokens if tokens_known(total) else None
    yield Figure("Tokens", tokens, "count", f"{total.input_tokens:,} in, {total.output_tokens:,} out" if tokens else "")
    failed = total.failed * 100 / total.calls if total.calls else None
    yield Figure("Failed", failed, "percent", f"{total.failed:,} calls")
    yield Figure("Average cost of a call", average_cost(total), "price", "of those whose cost is known")
    if dearest := max(days.items(), key=lambda one: one[1].nano_usd, default=None):
        day, totals = dearest
        if totals.nano_usd > 0:
            yield Figure("Dearest day", totals.nano_usd, "money", f"{day:%A}, {day.isoformat()}")


def by_day_table(material: Material) -> Table:
    """A line for each day of the period, up to today."""
    days = {day: add(groups.values()) for day, groups in material.by_day().items()}
    return Table(
        "by_day",
        "Day by day",
        (Column("date", "Day", "day"), *SUMS),
        [(day, *sums_of(totals)) for day, totals in days.items()],
        ("Total", *sums_of(add(days.values()))),
    )
