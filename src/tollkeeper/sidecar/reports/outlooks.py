"""Where periods will end, as the forecasts say it that were evaluated last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tollkeeper.insight.forecast.published import Published
from tollkeeper.model.calendar import interval_at
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Line, Section, Table, Value
from tollkeeper.sidecar.reports.material import Asked, Material
from tollkeeper.sidecar.reports.wording import dollars
from tollkeeper.storage.insight.forecasts import NOTHING, Forecasts, Foreseen

MOST: Final = 100
NOT_YET: Final = "Not evaluated yet: forecasts are made every hour."
EXPLAINED: Final = "In 80 of 100 cases the total is between the low and the high figure."
COLUMNS: Final = (
    Column("limit", "Limit", "text"),
    Column("who", "Whose", "text"),
    Column("ends", "Ends", "moment"),
    Column("amount", "Amount", "money"),
    Column("used", "Used", "money"),
    Column("low", "Low", "money"),
    Column("forecast", "Forecast", "money"),
    Column("high", "High", "money"),
    Column("probability", "% exceeds", "percent"),
    Column("exhausted", "Used up", "moment"),
)


def of_budgets(material: Material) -> Section:
    """Of each budget of money, the most endangered first."""
    foreseen = _latest(material)
    if foreseen is NOTHING:
        return Section("Outlook", notes=[NOT_YET])
    found = [
        one
        for one in foreseen.forecasts
        if one.limit is not None and one.measure == "usd" and material.asked.fits(one.scope)
    ]
    found.sort(key=lambda one: (-(one.exceeds or 0), -one.spent, one.limit or "", sorted(one.scope.items())))
    rows = [_row(one, material.asked) for one in found[:MOST]]
    reasons = sorted({one.reason for one in found if one.reason})
    table = Table("outlook", "Outlook", COLUMNS, rows, None, "There is no forecast of a budget.")
    notes = [_at(foreseen, material.asked), EXPLAINED, *(f"Where it is unknown: {reason}." for reason in reasons)]
    return Section("Outlook", "Where the periods under way will end.", tables=[table], notes=notes)


def of_month(material: Material) -> list[Section]:
    """Of the month under way, if that is asked for: of everybody, or of the one that is asked for."""
    if material.asked.end <= interval_at(material.asked.now, "month", material.asked.zone)[0]:
        return []
    return [_of_month(material)]


def _of_month(material: Material) -> Section:
    foreseen = _latest(material)
    scope = _scope(material.asked)
    month = next(
        (
            one
            for one in foreseen.forecasts
            if one.limit is None and one.horizon == "month" and scope is not None and dict(one.scope) == scope
        ),
        None,
    )
    if month is None:
        return Section("Outlook", notes=[NOT_YET if foreseen is NOTHING else "There is no forecast of this."])
    notes = [_at(foreseen, material.asked), EXPLAINED]
    if month.reason:
        notes.append(f"Where it is unknown: {month.reason}.")
    between = (
        f"{dollars(month.low)} to {dollars(month.high)}" if month.low is not None and month.high is not None else ""
    )
    figures = [
        Figure("This month up to now", month.spent, "money"),
        Figure("Forecast of the month", month.middle, "money", between),
    ]
    charts = [_chart(material, month)] if month.band else []
    return Section("Outlook", "Where this month will end.", figures=figures, charts=charts, notes=notes)


def _latest(material: Material) -> Foreseen:
    return Forecasts(material.sources.evaluations).latest()


def _scope(asked: Asked) -> dict[str, str] | None:
    """Forecasts are of one value at a time."""
    if any(len(values) != 1 for values in asked.filters.values()):
        return None
    return {name: values[0] for name, values in asked.filters.items()}


def _row(one: Published, asked: Asked) -> tuple[Value, ...]:
    median = one.exhaustion[1] if one.exhaustion else None
    return (
        one.limit,
        ", ".join(f"{name} {value or '(none)'}" for name, value in one.scope.items()) or "everybody",
        asked.shown(one.end),
        one.amount,
        one.spent,
        one.low,
        one.middle,
        one.high,
        None if one.exceeds is None else one.exceeds * 100,
        None if median is None else asked.shown(median),
    )


def _chart(material: Material, month: Published) -> Chart:
    """What was spent in all by the end of each day, and what will have been."""
    asked = Asked(month.start, month.at, month.at, month.zone, material.asked.filters)
    spent: dict[int, int] = {}
    for row in material.usage((), "day", asked):
        spent[row.bucket or 0] = row.totals.nano_usd
    starts = _days(month)
    today = interval_at(month.at, "day", month.zone)[0]
    bands = {interval_at(int(at or 0) - 1, "day", month.zone)[0]: rest for at, *rest in month.band}
    past: list[Value] = []
    total = 0
    for start in starts:
        total += spent.get(start, 0)
        past.append(total if start <= today else None)
    lines = [Line("up to now", [value for value in past if value is None or isinstance(value, int)])]
    for place, name in enumerate(("low", "forecast", "high")):
        lines.append(Line(name, [bands[start][place] if start in bands else None for start in starts]))
    labels = [f"{at.day} {at:%b}" for at in map(asked.shown, starts)]
    return Chart("Spent in all, by the end of each day", "lines", "money", labels, lines)


def _days(month: Published) -> Sequence[int]:
    found, start = [], month.start
    while start < month.end:
        found.append(start)
        start = interval_at(start, "day", month.zone)[1]
    return found


def _at(foreseen: Foreseen, asked: Asked) -> str:
    return f"Evaluated at {asked.shown(foreseen.at):%Y-%m-%d %H:%M} {asked.zone}."
