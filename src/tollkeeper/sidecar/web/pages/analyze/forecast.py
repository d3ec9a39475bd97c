"""Where days, weeks and months will end, and what that is worth: how far off it was on the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any, NamedTuple, get_args

from starlette.responses import Response

from tollkeeper.client.asks import Interval
from tollkeeper.client.forecasting import By, Forecasts, ForecastState, Horizon
from tollkeeper.client.keywords import Whose
from tollkeeper.sidecar.web.charts import Band, Chart, Level, Line, Mark, Number, Unit
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.pages.analyze.intervals import starts
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of
from tollkeeper.sidecar.web.pages.analyze.what_if import form_of
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


class Row(NamedTuple):
    """A forecast in the list, and the link that shows it by itself."""

    found: ForecastState
    link: str
    is_shown: bool


async def forecast(view: View) -> Response:
    """The tab: all that were asked for, and one of them in full."""
    said = view.filters.others
    by = one_of(get_args(By), said.get("by"), "total")
    horizon = one_of(get_args(Horizon), said.get("horizon"), "month")
    whose: dict[str, Any] = {name: value for name, value in view.filters.scope.items() if name in Whose.__annotations__}
    answer = await view.together(
        forecasts=view.api.forecasts(
            horizon=None if by == "limit" else horizon, by=None if by == "total" else by, **whose
        ),
    )
    forecasts: Forecasts | Missing = answer["forecasts"]
    found = [] if isinstance(forecasts, Missing) else forecasts.forecasts
    shown = next((each for each in found if key_of(each) == said.get("pick")), found[0] if found else None)
    choices = [Choice("by", "Of", list(BYS.items()), by)]
    if by != "limit":
        choices.append(Choice("horizon", "Until the end of", list(HORIZONS.items()), horizon))
    return view.page(
        "analyze_forecast.html", title="Analyze", tabs=TABS, tab="forecast", forecasts=forecasts, shown=shown,
        rows=_rows(view.filters, found, shown), chart=None if shown is None else await _chart(view, shown),
        words_of=words_of, unit_of=unit_of, measures=MEASURES, choices=choices, by=by, what_if=form_of(view),
    )  # fmt: skip


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
    found = (await view.together(usage=view.api.usage(**asked, interval=interval)))["usage"]
    if isinstance(found, Missing):
        return found
    values = {each.start: getattr(each, field) for each in found.groups}
    moments = starts(found, interval, view.now)
    sums = accumulate(Decimal(values.get(at) or 0) for at in moments)
    # The sum of an interval stands at its end, which is where the next one begins.
    return [one.period_start, *moments[1:], view.now], [Decimal(0), *list(sums)[:-1], one.used]
