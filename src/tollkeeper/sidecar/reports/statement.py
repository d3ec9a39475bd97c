"""A tenant's statement; without one tenant, the chargeback: what each of them is to be charged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from tollkeeper.sidecar.reports.daily import by_day_table
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Line, Section, Table, Value
from tollkeeper.sidecar.reports.focus.charges import DAY, Correction, corrections
from tollkeeper.sidecar.reports.material import NANO, Material
from tollkeeper.sidecar.reports.shares import (
    MOST_ROWS,
    NOBODY,
    OTHERS,
    ROUNDED,
    SUMS,
    average_cost,
    missing,
    share,
    stacked_days,
    sums_of,
    table_by,
)
from tollkeeper.sidecar.totals import add, nano_usd, tokens_known
from tollkeeper.storage.ledger import Totals
from tollkeeper.storage.ledger.contract import Dimension

BARS: Final = 15
MOST_CORRECTIONS: Final = 200
OF_TENANT: Final[tuple[tuple[Dimension, str], ...]] = (
    ("project", "By project"),
    ("feature", "By feature"),
    ("model", "By model"),
)


def sections(material: Material) -> list[Section]:
    """Of one tenant or several that are asked for; else of all."""
    return _statement(material) if "tenant" in material.asked.filters else _chargeback(material)


def _statement(material: Material) -> list[Section]:
    total = material.total()
    return [
        Section(
            "Amount",
            figures=list(_figures(total)),
            charts=[_days(material)] if total.nano_usd else [],
            notes=[*missing(total)],
        ),
        *(Section(title, tables=[table_by(name, material, title)]) for name, title in OF_TENANT),
        Section("Day by day", tables=[by_day_table(material)], notes=[ROUNDED]),
        _corrections(material),
    ]


def _days(material: Material) -> Chart:
    """By project, if there is any; else by model."""
    chart = stacked_days(material, "project", "Cost by day and project")
    if [line.name for line in chart.lines] != [NOBODY]:
        return chart
    return stacked_days(material, "model", "Cost by day and model")


def _figures(total: Totals) -> Iterator[Figure]:
    yield Figure("Amount", nano_usd(total), "money", "US dollars")
    yield Figure("Calls", total.calls, "count", f"{total.failed:,} failed")
    tokens = total.input_tokens + total.output_tokens if tokens_known(total) else None
    yield Figure("Tokens", tokens, "count", f"{total.input_tokens:,} in, {total.output_tokens:,} out" if tokens else "")
    yield Figure("Average cost of a call", average_cost(total), "price", "of those whose cost is known")


def _chargeback(material: Material) -> list[Section]:
    total = material.total()
    tenants = table_by("tenant", material, "By tenant")
    costly = [row for row in tenants.rows if isinstance(row[-2], int) and row[-2] > 0][:BARS]
    bars = Chart("Cost by tenant", "bars", "money", [str(row[0]) for row in costly],
                 [Line("Cost", [row[-2] for row in costly if isinstance(row[-2], int)])])  # fmt: skip
    unassigned = next((row for row in tenants.rows if row[0] == NOBODY), None)
    notes = [] if unassigned is None else ["What is without a tenant is nobody's to be charged: its calls have no tag."]
    return [
        Section("Amount", figures=list(_figures(total)), charts=[bars] if costly else [], notes=[*missing(total)]),
        Section("By tenant", tables=[tenants], notes=[*notes, ROUNDED]),
        Section("By tenant and model", tables=[_by_tenant_and_model(material, total)]),
        _corrections(material),
    ]


def _by_tenant_and_model(material: Material, total: Totals) -> Table:
    rows = material.usage(("tenant", "model"))
    spent: dict[str, int] = {}
    for row in rows:
        spent[row.group[0]] = spent.get(row.group[0], 0) + row.totals.nano_usd
    rows.sort(key=lambda row: (-spent[row.group[0]], row.group[0], -row.totals.nano_usd, row.group[1]))
    columns = (Column("tenant", "Tenant", "text"), Column("model", "Model", "text"), *SUMS,
               Column("share", "Share", "percent"))  # fmt: skip
    named = [(tuple(value or NOBODY for value in row.group), row.totals) for row in rows[:MOST_ROWS]]
    if rest := rows[MOST_ROWS:]:
        named.append(((f"{len(rest):,} {OTHERS}", OTHERS), add(row.totals for row in rest)))
    shown = [(*names, *sums_of(totals), share(nano_usd(totals), total.nano_usd)) for names, totals in named]
    sums = add(row.totals for row in rows)
    last = ("Total", None, *sums_of(sums), share(sums.nano_usd, total.nano_usd)) if rows else None
    return Table("by_tenant_and_model", "By tenant and model", columns, shown, last, "No calls.")


def _corrections(material: Material) -> Section:
    """Those that were made of calls of the period, whenever that was."""
    asked = material.asked
    found = corrections(material.sources.ledger.select_adjustments(asked.start, asked.end, asked.filters))
    rows = [_row(one) for one in islice(found, MOST_CORRECTIONS + 1)]
    columns = (
        Column("calls_of", "Calls of", "day"),
        Column("made_on", "Made on", "day"),
        Column("tenant", "Tenant", "text"),
        Column("model", "Model", "text"),
        Column("reason", "Why", "text"),
        Column("calls", "Calls", "count"),
        Column("amount", "Amount", "money"),
    )
    empty = "None: every call is charged as it was priced when it was made."
    table = Table("corrections", "Corrections", columns, rows[:MOST_CORRECTIONS], None, empty)
    notes = ["They are in the amounts above, on the days of their calls (of UTC)."] if rows else []
    if len(rows) > MOST_CORRECTIONS:
        notes.append(f"Only the first {MOST_CORRECTIONS} are listed; all of them are in the amounts.")
    return Section("Corrections", tables=[table], notes=notes)


def _row(one: Correction) -> tuple[Value, ...]:
    day = datetime.fromtimestamp(one.day * DAY // NANO, UTC).date()
    made = datetime.fromtimestamp(one.at // NANO, UTC).date()
    tenant = dict(one.tags).get("tenant") or NOBODY
    return day, made, tenant, one.model or NOBODY, one.reason or one.repricing_id, one.requests, one.nano_usd
