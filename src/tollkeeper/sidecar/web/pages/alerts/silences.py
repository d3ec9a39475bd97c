"""Silences: what nobody is told of for a time. They are made, prefilled from an alert too, and ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from tollkeeper.alerting.muting import SELECTORS
from tollkeeper.client import Invalid, NotFound
from tollkeeper.sidecar.web.pages.alerts.matching import CHOICES, of_form, of_query, read_globs
from tollkeeper.sidecar.web.pages.alerts.matching_now import meant_by
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import SAY_WHY, View

DURATIONS = {"1h": "1 hour", "4h": "4 hours", "12h": "12 hours", "1d": "1 day", "3d": "3 days", "7d": "a week"}
USUAL = "4h"
TOMORROW = "tomorrow"
MORNING = time(8)
"""When a silence until tomorrow ends, by the clock of the page's zone."""


async def show(view: View) -> Response:
    """Those that hold, those to come, and with `ended` those that are over."""
    ended = view.request.query_params.get("ended") == "yes"
    found = await view.together(silences=view.api.silences(ended=ended))
    listed = sorted(found["silences"].silences if found["silences"] else (), key=lambda each: -each.id)
    return view.page(
        "alerts/silences.html", title="Alerts", tab="silences", live=True, ended=ended, answer=found["silences"],
        going=[each for each in listed if each.ends_at > view.now],
        over=[each for each in listed if each.ends_at <= view.now], choices=CHOICES,
    )  # fmt: skip


async def new(view: View) -> Response:
    """The form, as a link has filled it in."""
    said = of_query(view.request.query_params, SELECTORS)
    return await _form(view, {**said, "duration": view.request.query_params.get("duration", USUAL)})


async def create(view: View) -> Response:
    """Nobody is told of what matches."""
    said = of_form(view, SELECTORS)
    asked = {name: view.field(name) for name in ("duration", "comment")}
    try:
        match = read_globs(said)
        made = await view.api.silence(match, comment=asked["comment"], **_until(view, asked["duration"]))
    except Invalid as error:
        message = SAY_WHY if error.field == "comment" else error.message
        return await _form(view, {**said, **asked}, 422, message)
    until = view.formats.minute(made.ends_at)
    return view.done("/alerts?tab=silences", f"Nobody is told of it until {until} {view.filters.zone_name}.")


def _until(view: View, duration: str) -> dict[str, Any]:
    if duration != TOMORROW:
        return {"duration": duration}
    return {"ends_at": datetime.combine(view.filters.today + timedelta(days=1), MORNING, view.filters.zone)}


async def end(view: View) -> Response:
    """Now."""
    try:
        await view.api.end_silence(view.request.path_params["id"], reason=view.field("reason"))
    except NotFound:
        return view.done("/alerts?tab=silences", "That silence was over already.")
    return view.done("/alerts?tab=silences", "The silence is over: what still fires is told now.")


async def _form(view: View, said: Mapping[str, str], status: int = 200, problem: str = "") -> Response:
    found = await view.together(alerts=view.api.alerts(firing=True, limit=500), policy=view.api.policy())
    alerts = found["alerts"].alerts if found["alerts"] else []
    limits = [each["name"] for each in found["policy"].document.get("limit", ())] if found["policy"] else []
    selected = {name: said.get(name, "") for name in SELECTORS}
    return view.page(
        "alerts/new_silence.html", status, title="New silence", problem=problem, said=said,
        selectors=[name for name in SELECTORS if name not in CHOICES], choices=CHOICES,
        durations={**DURATIONS, TOMORROW: f"until {MORNING:%H:%M} tomorrow ({view.filters.zone_name})"},
        known={"limit": sorted({*limits, *(each.subject for each in alerts)})},
        meant=meant_by(alerts, selected), is_any=any(selected.values()),
    )  # fmt: skip


ROUTES: tuple[Show | Change, ...] = (
    Show("/alerts/new-silence", new),
    Change("/alerts/silences", create, "edit"),
    Change("/alerts/silences/{id:int}/end", end, "edit"),
)
