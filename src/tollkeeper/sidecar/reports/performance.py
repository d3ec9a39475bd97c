"""Provider performance: who answers, how fast, and what an answer costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tollkeeper.insight.error_budget import ErrorBudget
from tollkeeper.insight.health import Figures, Key, Tally, by, figures
from tollkeeper.sidecar.insight.health import budgets_of, latest
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Line, Section, Table, Value
from tollkeeper.sidecar.reports.material import Material
from tollkeeper.sidecar.reports.shares import (
    MOST_LINES,
    NOBODY,
    average_cost,
    average_milliseconds,
    missing,
)
from tollkeeper.sidecar.totals import add, nano_usd
from tollkeeper.storage.insight.health import HealthHistory
from tollkeeper.storage.ledger import Totals

MOST_READ: Final = 1_000_000
"""Calls that are read for the quantiles of a report."""
MOST_MODELS: Final = 50
MOST_ERRORS: Final = 20

MEASURED: Final = (
    Column("calls", "Calls", "count"),
    Column("success_rate", "Success", "percent"),
    Column("rate_limited", "429", "percent"),
    Column("latency_p50", "p50", "milliseconds"),
    Column("latency_p95", "p95", "milliseconds"),
    Column("latency_p99", "p99", "milliseconds"),
    Column("first_chunk_p50", "First chunk", "milliseconds"),
    Column("output_tokens_per_second", "Tokens/s", "number"),
    Column("cost_per_1k_tokens", "per 1k tokens", "price"),
    Column("cost_per_answer", "per answer", "price"),
)
OF_PROVIDERS: Final = ("rate_limited", "latency_p99")
"""There is no room for these beside a model's name."""
SUMMED: Final = (
    Column("calls", "Calls", "count"),
    Column("failed_calls", "Failed", "count"),
    Column("answered", "Answered", "percent"),
    Column("average_duration", "Average duration", "milliseconds"),
    Column("cost", "Cost", "money"),
    Column("average_cost", "Average cost", "price"),
)
EXPLAINED: Final = (
    "Success leaves out calls that were refused as wrong: those are the caller's. p50, p95 and p99 are the times "
    "within which so many of 100 answers were complete, to 3 %; the first chunk is of streams. Costs of an answer have "
    "the cost of failed calls in them."
)


def sections(material: Material) -> list[Section]:
    """How everybody did, by what was measured of each call; by sums alone, where the calls are too many to be read."""
    total = material.total()
    tallies = None if material.asked.filters or total.calls > MOST_READ else _tallies(material)
    summary = Section(
        "Summary",
        figures=list(_figures(total)),
        charts=list(_charts(material)) if total.calls else [],
        notes=[*missing(total)],
    )
    if tallies is None:
        why = "one tenant, project or the like is asked for" if material.asked.filters else "there are too many calls"
        note = f"Quantiles are not shown, as {why}."
        return [summary, Section("By provider and model", tables=[_summed(material)], notes=[note])]
    errors = _errors([figures(tally) for tally in by(tallies, 1).values()], list(by(tallies, 1)))
    return [
        summary,
        Section("Providers", tables=[_measured("providers", by(tallies, 1))], notes=[EXPLAINED]),
        Section("Models", tables=[_measured("models", by(tallies, 2))]),
        Section("What failed", tables=[errors]),
        _budgets(material),
    ]


def _tallies(material: Material) -> Mapping[Key, Tally]:
    history = HealthHistory(material.sources.database, material.sources.ledger)
    return history.tallies(material.asked.start, material.asked.end)


def _figures(total: Totals) -> Iterator[Figure]:
    answered = (total.calls - total.failed) * 100 / total.calls if total.calls else None
    yield Figure("Calls", total.calls, "count", f"{total.failed:,} failed")
    yield Figure("Answered", answered, "percent", "of all calls, refused ones too")
    yield Figure("Average duration", average_milliseconds(total), "milliseconds", "streams to their end")
    yield Figure("Cost", nano_usd(total), "money")
    yield Figure("Average cost of a call", average_cost(total), "price", "of those whose cost is known")


def _charts(material: Material) -> Iterator[Chart]:
    days = material.by_day(("provider",))
    names = {name for groups in days.values() for name in groups}
    totals = {name: add(groups[name] for groups in days.values() if name in groups) for name in names}
    busiest = sorted(totals, key=lambda name: (-totals[name].calls, name))[:MOST_LINES]
    labels = [f"{day.day} {day:%b}" for day in days]

    def line(name: tuple[str, ...], of: str) -> Line:
        found = [groups.get(name) for groups in days.values()]
        return Line(name[0] or NOBODY, [None if each is None else _of_day(each, of) for each in found])

    yield Chart(
        "Failed calls by day and provider", "lines", "percent", labels, [line(name, "failed") for name in busiest]
    )  # fmt: skip
    yield Chart(
        "Average duration by day and provider", "lines", "milliseconds", labels,
        [line(name, "duration") for name in busiest],
    )  # fmt: skip


def _of_day(totals: Totals, of: str) -> float | None:
    if of == "failed":
        return totals.failed * 100 / totals.calls if totals.calls else None
    return average_milliseconds(totals)


def _measured(name: str, tallies: Mapping[Key, Tally]) -> Table:
    found = {key: figures(tally) for key, tally in tallies.items() if tally.calls > 0}
    busiest = sorted(found, key=lambda key: (-found[key].calls, key))[:MOST_MODELS]
    heads: tuple[Column, ...] = (Column("provider", "Provider", "text"),)
    if name == "models":
        heads = (*heads, Column("model", "Model", "text"))
    shown = [place for place, column in enumerate(MEASURED) if name == "providers" or column.name not in OF_PROVIDERS]
    rows = [(*key[: len(heads)], *(_cells(found[key])[place] for place in shown)) for key in busiest]
    return Table(name, name.capitalize(), (*heads, *(MEASURED[place] for place in shown)), rows, None, "No calls.")


def _cells(each: Figures) -> tuple[Value, ...]:
    return (
        each.calls,
        _times(each.success_rate, 100),
        _times(each.rate_limited_share, 100),
        _times(each.latency_p50, 1000),
        _times(each.latency_p95, 1000),
        _times(each.latency_p99, 1000),
        _times(each.first_chunk_p50, 1000),
        each.output_tokens_per_second,
        each.nano_usd_per_1k_tokens,
        each.nano_usd_per_answer,
    )


def _times(value: float | None, factor: int) -> float | None:
    return None if value is None else value * factor


def _errors(found: Sequence[Figures], keys: Sequence[Key]) -> Table:
    """By provider, the most frequent first."""
    rows = [
        (key.provider, failed.error, failed.status, "caller" if failed.fault == "caller" else "provider", number)
        for key, each in zip(keys, found, strict=True)
        for failed, number in each.errors
    ]
    rows.sort(key=lambda row: (-int(row[4]), row[0], row[1]))
    columns = (
        Column("provider", "Provider", "text"),
        Column("error", "Error", "text"),
        Column("status", "Status", "text"),
        Column("fault", "Whose fault", "text"),
        Column("calls", "Calls", "count"),
    )
    shown = [(*row[:2], None if row[2] is None else str(row[2]), *row[3:]) for row in rows[:MOST_ERRORS]]
    return Table("errors", "What failed", columns, shown, None, "No call has failed.")


def _budgets(material: Material) -> Section:
    """As evaluated last, over 30 days; whatever the period of the report is."""
    found = latest(material.sources.evaluations)
    if found is None:
        return Section("Error budgets", notes=["Not evaluated yet."])
    columns = (
        Column("provider", "Provider", "text"),
        Column("objective", "Objective", "percent"),
        Column("calls", "Calls", "count"),
        Column("failed_calls", "Failed", "count"),
        Column("used", "Budget used", "percent"),
        Column("state", "State", "text"),
    )
    rows = [_budget(provider, budget) for provider, budget in sorted(budgets_of(found).items())]
    at = f"{material.asked.shown(found.at):%Y-%m-%d %H:%M} {material.asked.zone}"
    table = Table("error_budgets", "Error budgets", columns, rows, None, "No calls in the last 30 days.")
    return Section("Error budgets", tables=[table], notes=[f"Over the 30 days until {at}, when they were evaluated."])


def _budget(provider: str, budget: ErrorBudget) -> tuple[Value, ...]:
    used = None if budget.used is None else budget.used * 100
    is_burning = any(burn.burning for burn in budget.burns)
    state = "burns fast" if is_burning else "in order" if (used or 0) < 100 else "used up"
    return provider, budget.objective * 100, budget.calls, budget.failed, used, state


def _summed(material: Material) -> Table:
    rows = sorted(material.usage(("provider", "model")), key=lambda row: (-row.totals.calls, row.group))
    heads = (Column("provider", "Provider", "text"), Column("model", "Model", "text"))
    shown = [(*(value or NOBODY for value in row.group), *_sums(row.totals)) for row in rows]
    return Table("models", "By provider and model", (*heads, *SUMMED), shown, None, "No calls.")


def _sums(totals: Totals) -> tuple[Value, ...]:
    answered = (totals.calls - totals.failed) * 100 / totals.calls if totals.calls else None
    return (
        totals.calls, totals.failed, answered, average_milliseconds(totals), nano_usd(totals), average_cost(totals),
    )  # fmt: skip
