"""What is unusual and what was: why, how it looked, who has seen it, and whether it was real."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args

from starlette.responses import Response

from tollkeeper.client import NotFound
from tollkeeper.client.alerting import Severity
from tollkeeper.client.answers import Group
from tollkeeper.client.asks import Interval
from tollkeeper.client.detecting import AnomalyKind, AnomalyLabel, AnomalyState, Metric
from tollkeeper.client.keywords import Dimension, Whose
from tollkeeper.sidecar.web.charts import Band, Chart, Line, Mark, Number, Unit
from tollkeeper.sidecar.web.filters import NONE, Filters
from tollkeeper.sidecar.web.pages.analyze.intervals import csv_of, starts
from tollkeeper.sidecar.web.pages.analyze.tabs import PATH, TABS, Choice, one_of, to_one
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import Missing, View

State = Literal["all", "open", "over"]

WHERE = f"{PATH}/anomalies"
LIST = f"{PATH}?tab=anomalies"
STATES: Mapping[State, str] = {"all": "Open and over", "open": "Open", "over": "Over"}
KINDS: Mapping[AnomalyKind, str] = {
    "spike": "Spike", "level_shift": "New level", "drop": "Drop", "runaway": "Loop", "rule": "Rule",
}  # fmt: skip
METRICS: Mapping[Metric, str] = {
    "spend": "Spend", "tokens": "Tokens", "requests": "Requests", "error_rate": "Share of errors",
    "latency": "Latency", "tokens_per_request": "Tokens of a request", "cost_per_request": "Cost of a request",
}  # fmt: skip
UNITS: Mapping[Metric, Unit] = {
    "spend": "usd", "tokens": "tokens", "requests": "count", "error_rate": "percent", "latency": "seconds",
    "tokens_per_request": "tokens", "cost_per_request": "usd",
}  # fmt: skip
LABELS: Mapping[str, str] = {"none": "Not said", "real": "Real", "false": "False alarm"}
MOST = 200
TOLD = ("Expected:", "Actual:", "Excess:", "Since:")
"""Lines that the figures beside them say already."""
LENGTHS: Mapping[Interval, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
AROUND: Mapping[Interval, int] = {"hour": 48, "day": 21}
"""So many intervals before it began, and after it ended, are drawn."""


class Drawn(NamedTuple):
    """The series around an anomaly; without a chart, `why`. `calls` is where its calls are."""

    calls: str
    chart: Chart | None = None
    why: str = ""


async def anomalies(view: View) -> Response:
    """The tab."""
    if one := to_one(view.filters, WHERE):
        return one
    said = view.filters.others
    state = one_of(get_args(State), said.get("state"), "all")
    kind = next((each for each in KINDS if each == said.get("kind")), None)
    metric = next((each for each in METRICS if each == said.get("metric")), None)
    severity = next((each for each in get_args(Severity) if each == said.get("severity")), None)
    label = next((each for each in LABELS if each == said.get("label")), None)
    whose: dict[str, Any] = {n: v for n, v in view.filters.scope.items() if n in Whose.__annotations__}
    parts = await view.together(
        anomalies=view.api.anomalies(
            open=None if state == "all" else state == "open", kind=kind, metric=metric, severity=severity,
            label=label, limit=MOST, **whose,  # type: ignore[arg-type]
        ),
    )  # fmt: skip
    return view.page(
        "analyze_anomalies.html", title="Analyze", tabs=TABS, tab="anomalies", live=True, kinds=KINDS,
        metrics=METRICS, units=UNITS, labels=LABELS, most=MOST, **parts, choices=[
            Choice("state", "State", list(STATES.items()), state),
            Choice("kind", "Kind", [("", "Any"), *KINDS.items()], kind or ""),
            Choice("metric", "Of", [("", "Anything"), *METRICS.items()], metric or ""),
            Choice("severity", "Severity", [("", "Any"), *((x, x.capitalize()) for x in get_args(Severity))],
                   severity or ""),
            Choice("label", "Was it real", [("", "Any"), *LABELS.items()], label or ""),
        ],
    )  # fmt: skip


async def anomaly(view: View) -> Response:
    """One of them: a page, or a drawer in the list."""
    return await _one(view, await view.api.anomaly(view.request.path_params["id"]))


async def _one(view: View, found: AnomalyState, status: int = 200, error: str | None = None) -> Response:
    template = "parts/anomaly_drawer.html" if view.is_part else "analyze_anomaly.html"
    return view.page(
        template, status, title=found.title[:1].upper() + found.title[1:], found=found,
        drawn=await _drawn(view, found), error=error,
        notes=[line for line in found.lines if not line.startswith(TOLD)],
        kinds=KINDS, metrics=METRICS, units=UNITS, labels=LABELS, where=WHERE,
    )  # fmt: skip


async def _drawn(view: View, found: AnomalyState) -> Drawn:
    """Its metric around it, beside what would have been usual while it lasted."""
    known = {name: value or NONE for name, value in found.scope.items() if name in get_args(Dimension)}
    days = {"start": f"{found.began_at:%Y-%m-%d}", "end": f"{found.ended_at or found.seen_at:%Y-%m-%d}"}
    calls = Filters(others={"range": "custom", **days, **known}).link("/requests")
    if known.keys() != found.scope.keys():
        return Drawn(calls, why="There is no series of a single session. The calls of it are in the log.")
    interval: Interval = found.step or "hour"
    ends, length = found.ended_at or found.seen_at, LENGTHS[interval]
    around = AROUND[interval] * length
    # Days are those that were compared, which are of UTC.
    zone = view.filters.zone_name if interval == "hour" else "UTC"
    asked: dict[str, Any] = {
        "start": found.began_at - around, "end": min(ends + around, view.now),
        "zone": zone, **{name: value if value != NONE else "" for name, value in known.items()},
    }  # fmt: skip
    usage = (await view.together(usage=view.api.usage(**asked, interval=interval, details=False)))["usage"]
    if isinstance(usage, Missing):
        return Drawn(calls, why=usage.reason)
    moments = starts(usage, interval, view.now)
    values = {each.start: _value(found.metric, each) for each in usage.groups}
    nothing = 0 if found.metric in ("spend", "tokens", "requests") else None
    during = [found.began_at - length <= at <= ends for at in moments]
    return Drawn(
        calls,
        Chart(
            title=f"{METRICS[found.metric]} by the {interval} around it", unit=UNITS[found.metric], form="lines",
            moments=moments, zone=zone, by_hour=interval == "hour", csv=csv_of(asked, (), interval),
            lines=[
                Line("Actual", [values.get(at, nothing) for at in moments]),
                Line("Expected", _while(during, found.expected), dashed=True),
            ],
            band=None if found.high is None else Band(
                "Usual", _while(during, found.low or Decimal(0)), _while(during, found.high)
            ),
            marks=[Mark(found.began_at, "it began", "▲")],
        )
    )  # fmt: skip


def _while(during: list[bool], value: Number) -> list[Number | None]:
    return [value if each else None for each in during]


def _value(metric: Metric, sums: Group) -> Number | None:
    """What the metric is of the calls of an interval."""
    if metric == "spend":
        return sums.cost
    if metric == "cost_per_request":
        return sums.average_cost
    if metric == "tokens":
        return sums.tokens
    if metric == "requests":
        return sums.calls
    if metric == "latency":
        return None if sums.average_duration_ms is None else sums.average_duration_ms / 1000
    if metric == "error_rate":
        return sums.failed_calls / sums.calls if sums.calls else None
    return None if sums.tokens is None or not sums.calls else sums.tokens / sums.calls


async def acknowledge(view: View) -> Response:
    """Somebody takes it on."""
    name = view.request.path_params["id"]
    try:
        found = await view.api.acknowledge_anomaly(name, reason=view.field("reason") or None)
    except NotFound:
        return await _one(view, await view.api.anomaly(name), 409, "It is over by now, so nobody needs to take it on.")
    return view.done(LIST, f"You have taken on: {found.title}.")


async def label(view: View) -> Response:
    """Somebody says whether it was real; that also makes thresholds what they are."""
    name = view.request.path_params["id"]
    said: AnomalyLabel | None = next((each for each in get_args(AnomalyLabel) if each == view.field("label")), None)
    await view.api.label_anomaly(name, said, note=view.field("note") or None)
    told = {"real": "It is labelled real.", "false": "It is labelled a false alarm.", None: "The label is taken back."}
    return view.done(f"{WHERE}/{name}", told[said])


ROUTES = (
    Show(f"{WHERE}/{{id}}", anomaly),
    Change(f"{WHERE}/{{id}}/acknowledge", acknowledge, "edit"),
    Change(f"{WHERE}/{{id}}/label", label, "edit"),
)
