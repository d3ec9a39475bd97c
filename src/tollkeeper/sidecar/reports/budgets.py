"""Budget analysis: how the limits stand, and how the periods before have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tollkeeper.model import Limit
from tollkeeper.model.calendar import intervals
from tollkeeper.policy.forms import window_text
from tollkeeper.sidecar.ledger_use import dimensions_of
from tollkeeper.sidecar.limit_use import LimitUse
from tollkeeper.sidecar.reports.document import Chart, Column, Figure, Form, Line, Section, Table, Value
from tollkeeper.sidecar.reports.material import Material
from tollkeeper.sidecar.reports.outlooks import of_budgets
from tollkeeper.sidecar.reports.shares import round_ratio

BARS: Final = 12
MOST_PERIODS: Final = 400
"""That are looked up for a report, of all limits together."""
MOST_SHOWN: Final = 100
EVERYBODY: Final = "everybody"
MEASURES: Final[Mapping[str, str]] = {
    "requests": "requests", "tokens": "tokens", "input_tokens": "input tokens", "output_tokens": "output tokens",
    "usd": "dollars", "concurrency": "calls at once",
}  # fmt: skip
CALENDAR: Final = ("hour", "day", "week", "month")


class _Past(NamedTuple):
    """How the periods of one limit and one scope have ended, in the measure's unit."""

    used: list[int]

    def over(self, amount: int) -> int:
        return sum(1 for each in self.used if each > amount)


def sections(material: Material) -> list[Section]:
    """Budgets of money first; other limits in their own units."""
    uses = [use for use in material.sources.uses.all() if material.asked.fits(use.scope)]
    uses.sort(key=lambda use: (-use.ratio, use.limit.name, sorted(use.scope.items())))
    budgets = [use for use in uses if use.limit.measure == "usd"]
    others = [use for use in uses if use.limit.measure not in ("usd", "concurrency")]
    now = material.asked.now
    at = f"{material.asked.shown(now):%Y-%m-%d %H:%M} {material.asked.zone}"
    past, is_whole = _past(material)
    notes = [] if is_whole else ["Not all are shown, or were looked up: there are too many."]
    return [
        Section(
            "Now",
            f"How budgets stand at {at}, each in its period under way.",
            figures=list(_figures(budgets, now)),
            charts=[_bars(budgets)] if budgets else [],
            tables=[_standings("budgets", "Budgets", budgets, now)],
        ),
        of_budgets(material),
        Section("Other limits", tables=[_standings("limits", "Other limits", others, now)]),
        Section(
            "How periods have ended",
            "Of budgets with a calendar's period, by what the ledger has of them, against the amounts of today.",
            tables=[past],
            notes=notes,
        ),
    ]


def _figures(budgets: Sequence[LimitUse], now: int) -> Iterator[Figure]:
    full = [use for use in budgets if use.ratio >= 1]
    fast = [use for use in budgets if use.ratio < 1 and (_pace(use, now) or 0) > 1]
    yield Figure("Budgets", len(budgets), "count", f"by {_limits(budgets)}")
    yield Figure("Used up", len(full), "count", ", ".join(sorted({use.limit.name for use in full})))
    yield Figure("Too fast", len(fast), "count", "used up early, at this pace")


def _limits(budgets: Sequence[LimitUse]) -> str:
    number = len({use.limit.name for use in budgets})
    return f"{number} limit{'' if number == 1 else 's'}"


def _bars(budgets: Sequence[LimitUse]) -> Chart:
    fullest = budgets[:BARS]
    labels = [f"{use.limit.name}: {_who(use.scope)}" if use.scope else use.limit.name for use in fullest]
    values = [round(use.ratio * 100, 1) for use in fullest]
    return Chart("Used, of the budget", "bars", "percent", labels, [Line("Used", values)], (100.0, "the budget"))


def _standings(name: str, title: str, uses: Sequence[LimitUse], now: int) -> Table:
    form: Form = "money" if name == "budgets" else "count"
    columns = (
        Column("limit", "Limit", "text"),
        Column("who", "Whose", "text"),
        Column("window", "Period", "text"),
        Column("measure", "Counts", "text"),
        Column("amount", "Amount", form),
        Column("used", "Used", form),
        Column("percent", "% used", "percent"),
        Column("elapsed", "Of the time", "percent"),
        Column("pace", "Pace", "number"),
    )
    empty = "There is no budget of money." if name == "budgets" else "There are no other limits."
    return Table(name, title, columns, [_standing(use, now) for use in uses], None, empty)


def _standing(use: LimitUse, now: int) -> tuple[Value, ...]:
    limit, elapsed = use.limit, use.elapsed(now)
    return (
        limit.name,
        _who(use.scope),
        window_text(limit.window, limit.measure),
        MEASURES[limit.measure],
        limit.amount,
        use.used,
        use.ratio * 100,
        None if elapsed is None else elapsed * 100,
        _pace(use, now),
    )


def _pace(use: LimitUse, now: int) -> float | None:
    """1 lasts exactly for the period. In its first hundredth nobody can tell."""
    elapsed = use.elapsed(now)
    return use.ratio / elapsed if elapsed is not None and elapsed > 0.01 else None


def _who(scope: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value or '(none)'}" for name, value in scope.items()) or EVERYBODY


def _past(material: Material) -> tuple[Table, bool]:
    left = MOST_PERIODS
    rows: list[tuple[Value, ...]] = []
    is_whole = True
    for limit in material.sources.limiting.policy.limits:
        periods = list(_periods(limit, material))
        is_whole &= len(periods) <= left
        periods = periods[-left:] if left else []
        left -= len(periods)
        if periods:
            rows += _rows(limit, _ended(limit, periods, material))
    columns = (
        Column("limit", "Limit", "text"),
        Column("who", "Whose", "text"),
        Column("periods", "Periods", "count"),
        Column("over", "Over", "count"),
        Column("amount", "Amount", "money"),
        Column("average", "On average", "money"),
        Column("highest", "At most", "money"),
        Column("percent", "% at most", "percent"),
    )
    rows.sort(key=lambda row: (-float(str(row[7] or 0)), str(row[0]), str(row[1])))
    is_whole &= len(rows) <= MOST_SHOWN
    empty = "No period of a budget has ended in this time."
    return Table("past_periods", "How periods have ended", columns, rows[:MOST_SHOWN], None, empty), is_whole


def _periods(limit: Limit, material: Material) -> Iterator[tuple[int, int]]:
    """Those that lie in the report's time, and are over."""
    window, asked = limit.window, material.asked
    if limit.measure != "usd" or window is None or window.rolling or dimensions_of(limit) is None:
        return
    if window.unit not in CALENDAR:
        return
    end = min(asked.end, asked.now)
    for span in intervals(asked.start, end, window.unit, window.zone):
        if span.bucket == span.start and span.end < end:
            yield span.start, span.end


def _ended(limit: Limit, periods: Sequence[tuple[int, int]], material: Material) -> dict[tuple[str, ...], _Past]:
    found: dict[tuple[str, ...], _Past] = {}
    for number, (start, end) in enumerate(periods):
        for values, used in (material.sources.use.of(limit, start, end) or {}).items():
            if material.asked.fits(dict(zip(limit.per, values, strict=True))):
                past = found.setdefault(values, _Past([0] * len(periods)))
                past.used[number] = used
    return found


def _rows(limit: Limit, found: Mapping[tuple[str, ...], _Past]) -> Iterator[tuple[Value, ...]]:
    for values, past in found.items():
        number, highest = len(past.used), max(past.used)
        yield (
            limit.name,
            _who(dict(zip(limit.per, values, strict=True))),
            number,
            past.over(limit.amount),
            limit.amount,
            round_ratio(sum(past.used), number),
            highest,
            highest * 100 / limit.amount if limit.amount else None,
        )
