"""Where days, weeks and months will end, and what that is worth: how far off it was on the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any, NamedTuple, get_args

from starlette.responses import Response

from tollkeeper.client import ApiError, NotFound
from tollkeeper.client.asks import Interval
from tollkeeper.client.forecasting import By, Forecasts, ForecastState, Horizon
from tollkeeper.client.keywords import Whose
from tollkeeper.sidecar.web.charts import Band, Chart, Level, Line, Mark, Number, Unit
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.pages.analyze.files import chart_file
from tollkeeper.sidecar.web.pages.analyze.intervals import starts
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of
from tollkeeper.sidecar.web.pages.analyze.what_if import form_of
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import Missing, View

HORIZONS: Mapping[Horizon, str] = {"month": "This month", "week": "This week", "day": "Today"}
BYS: Mapping[By, str] = {
    "total": "Everything", "tenant": "Tenant", "project": "Project", "service": "Service", "feature": "Feature",
    "provider": "Provider", "model": "Model", "limit": "Budgets of limits",
}  # fmt: skip
MEASURES: Mapping[str, str] = {
    "usd": "Spend", "requests": "Requests", "tokens": "Tokens", "input_tokens": "Input tokens",
    "output_tokens": "Output tokens",
}  # fmt: skip
FIELDS = {"usd": "cost", "requests": "calls", "tokens": "tokens"}
"""What of usage is what a forecast is about."""


FILE = f"{PATH}/forecast.csv"


class Row(NamedTuple):
    """A forecast in the list, and the link that shows it by itself."""

    found: ForecastState
    link: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What the tab's own part of the URL says. `pick` is the one that is shown in full."""

    by: By
    horizon: Horizon
    pick: str | None


def read_asked(filters: Filters) -> Asked:
    """Of the URL; what makes no sense is as it would be otherwise."""
    said = filters.others
    by = one_of(get_args(By), said.get("by"), "total")
    return Asked(by, one_of(get_args(Horizon), said.get("horizon"), "month"), said.get("pick"))


async def forecast(view: View) -> Response:
    """The tab: all that were asked for, and one of them in full."""
    asked = read_asked(view.filters)
    forecasts: Forecasts | Missing = (await view.together(found=_ask(view, asked)))["found"]
    found = [] if isinstance(forecasts, Missing) else forecasts.forecasts
    shown = _picked(found, asked)
    choices = [Choice("by", "Of", list(BYS.items()), asked.by)]
    if asked.by != "limit":
        choices.append(Choice("horizon", "Until the end of", list(HORIZONS.items()), asked.horizon))
    return view.page(
        "analyze_forecast.html", title="Analyze", tabs=TABS, tab="forecast", forecasts=forecasts, shown=shown,
        rows=_rows(view.filters, found, shown), chart=None if shown is None else await _chart(view, shown),
        words_of=words_of, unit_of=unit_of, measures=MEASURES, choices=choices, by=asked.by, what_if=form_of(view),
        csv=None if shown is None else view.filters.link(FILE),
    )  # fmt: skip


async def forecast_file(view: View) -> Response:
    """The figures of the chart."""
    asked = read_asked(view.filters)
    shown = _picked((await _ask(view, asked)).forecasts, asked)
    if shown is None:
        raise NotFound(404, "there is no forecast like that")
    chart = await _chart(view, shown)
    if isinstance(chart, Missing):
        raise ApiError(503, chart.reason)
    return chart_file("forecast", chart)


async def _ask(view: View, asked: Asked) -> Forecasts:
    whose: dict[str, Any] = {name: value for name, value in view.filters.scope.items() if name in Whose.__annotations__}
    return await view.api.forecasts(
        horizon=None if asked.by == "limit" else asked.horizon, by=None if asked.by == "total" else asked.by, **whose
    )


def _picked(found: Sequence[ForecastState], asked: Asked) -> ForecastState | None:
    return next((each for each in found if key_of(each) == asked.pick), found[0] if found else None)


def key_of(one: ForecastState) -> str:
    """Which one it is, in the URL."""
    return "|".join([one.subject or "", one.horizon, one.measure, *(f"{k}={v}" for k, v in sorted(one.scope.items()))])


def words_of(view: View, one: ForecastState) -> str:
    """Whose it is."""
    whose = view.formats.words(one.scope)
    if one.subject is None:
        return whose.capitalize() if not one.scope else whose
    return f"{one.subject}, {whose}" if one.scope else one.subject


def unit_of(one: ForecastState) -> Unit:
    """The unit of its figures."""
    return "usd" if one.measure == "usd" else "count" if one.measure == "requests" else "tokens"


def _rows(filters: Filters, found: Sequence[ForecastState], shown: ForecastState | None) -> list[Row]:
    return [Row(each, filters.link(PATH, pick=key_of(each)), each is shown) for each in found]


async def _chart(view: View, one: ForecastState) -> Chart | Missing:
    """What was used so far, and where that leads to. Of limits, only what is used by now is known."""
    past = await _past(view, one)
    if isinstance(past, Missing):
        return past
    moments, used = past
    ahead = [point for point in one.band if point.at > view.now]
    before: list[Number | None] = [None] * (len(moments) - 1)
    return Chart(
        title=f"{MEASURES.get(one.measure, one.measure)} until {one.period_end:%d %B}", unit=unit_of(one), form="lines",
        moments=[*moments, *(point.at for point in ahead)],
        lines=[
            Line("Used", [*used, *([None] * len(ahead))]),
            Line("Forecast", [*before, one.used, *(point.middle for point in ahead)], dashed=True),
        ],
        band=Band(
            "80 of 100 times", [*before, one.used, *(point.low for point in ahead)],
            [*before, one.used, *(point.high for point in ahead)],
        ) if ahead and all(point.low is not None for point in ahead) else None,
        levels=[] if one.amount is None else [Level(one.amount, "Limit")],
        marks=[Mark(each.at, f"prices: {each.factor:.2f} times what they are", "◆") for each in one.price_changes],
        zone=one.zone, by_hour=True, source="ledger and forecast",
    )  # fmt: skip


async def _past(view: View, one: ForecastState) -> tuple[list[datetime], list[Number | None]] | Missing:
    """How it has come to what is used: the sums until the ends of intervals, and until now."""
    begin: tuple[list[datetime], list[Number | None]] = [one.period_start, view.now], [Decimal(0), one.used]
    field = FIELDS.get(one.measure)
    if one.subject is not None or field is None:
        return begin
    interval: Interval = "hour" if one.horizon == "day" else "day"
    asked: dict[str, Any] = {"start": one.period_start, "end": view.now, "zone": one.zone, **one.scope}
    found = (await view.together(usage=view.api.usage(**asked, interval=interval, details=False)))["usage"]
    if isinstance(found, Missing):
        return found
    values = {each.start: getattr(each, field) for each in found.groups}
    moments = starts(found, interval, view.now)
    sums = accumulate(Decimal(values.get(at) or 0) for at in moments)
    # The sum of an interval stands at its end, which is where the next one begins.
    return [one.period_start, *moments[1:], view.now], [Decimal(0), *list(sums)[:-1], one.used]


ROUTES = (Show(FILE, forecast_file),)
