"""Reports that are made by the clock: what is sent where and when, what became of it, and setting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tollkeeper.alerting.schedule import FILTERS, REPORT_FORMATS
from tollkeeper.client import ApiError, NotFound
from tollkeeper.client.alerting import Message
from tollkeeper.client.reporting import ReportScheduleState
from tollkeeper.sidecar.web.pages.alerts.services import service_title
from tollkeeper.sidecar.web.pages.reports.tabs import TABS
from tollkeeper.sidecar.web.routes import Change
from tollkeeper.sidecar.web.view import SAY_WHY, View

HERE = "/reports?tab=schedules"
FIELDS = ("name", "report", "every", "at", "zone", "format", "reason")
NEW: Mapping[str, str] = {
    "name": "", "report": "daily", "every": "month", "at": "08:00", "zone": "", "format": "pdf", "reason": "",
}  # fmt: skip
LOOKED_THROUGH = 500
MOST_RUNS = 30
DAYS: Mapping[str, str] = {"day": "Every day", "week": "Every Monday", "month": "On the 1st of a month"}
"""On which a report of the day, week or month before is made."""
MAIL = "mail"
"""The service of channels that send e-mail."""
OF_REPORTS = "report-"
"""How the ids begin of what is told of reports."""


async def schedules(view: View) -> Response:
    """All of them; with `edit`, one of them in the form."""
    return await _shown(view)


async def save(view: View) -> Response:
    """Set a new one, or change the one that was in the form."""
    said = {name: view.field(name) for name in FIELDS}
    only: dict[str, list[str]] = {name: _values(view.field(f"only_{name}")) for name in FILTERS}
    to, edited = [each for each in view.form.getlist("to") if isinstance(each, str)], view.field("edited")
    problem, field = _first_mistake(said, to)
    if not problem and said["name"] != edited and await _is_taken(view, said["name"]):
        problem, field = "There is a schedule of this name: edit that one above, or choose another name.", "name"
    if not problem:
        document: dict[str, Any] = {
            name: said[name] for name in ("report", "every", "at", "zone", "format") if said[name]
        }
        document |= {"to": to, "only": {name: values for name, values in only.items() if values}}
        try:
            made = await view.api.set_report_schedule(said["name"], document, reason=said["reason"])
        except ApiError as error:
            problem, field = error.message, error.field or ""
        else:
            when = f"{view.formats.minute(made.next_at)} {view.filters.zone_name}"
            return view.done(HERE, f"{made.name} is set. It is made next on {when}.")
    return await _shown(view, 422, said=said, only=only, to=to, edited=edited, problem=problem, field=field)


async def remove(view: View) -> Response:
    """Make one no more."""
    name = view.request.path_params["name"]
    try:
        await view.api.remove_report_schedule(name, reason=view.field("reason") or "report")
    except NotFound:
        return view.done(HERE, f"{name} had been removed already.")
    return view.done(HERE, f"{name} is not made any more.")


async def _is_taken(view: View, name: str) -> bool:
    return any(each.name == name for each in (await view.api.report_schedules()).schedules)


def _first_mistake(said: Mapping[str, str], to: list[str]) -> tuple[str, str]:
    # A slash would make another address of it.
    if not said["name"] or "/" in said["name"]:
        return "Give it a name, of letters, digits, '-', '_' and '.'.", "name"
    if not to:
        return "Choose at least one channel.", "to"
    return ("", "") if said["reason"] else (SAY_WHY, "reason")


def _values(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


async def _shown(view: View, status: int = 200, **form: Any) -> Response:
    found = await view.together(
        schedules=view.api.report_schedules(), channels=view.api.channels(), kinds=view.api.reports(),
        told=view.api.notifications(limit=LOOKED_THROUGH),
    )  # fmt: skip
    told: list[Message] = found["told"].notifications if found["told"] else []
    runs = [each for each in told if each.alert_id.startswith(OF_REPORTS)][:MOST_RUNS]
    listed = found["schedules"].schedules if found["schedules"] else []
    shown = {"problem": "", "field": "", **(form or _filled_in(view, listed))}
    channels = found["channels"].channels if found["channels"] else []
    return view.page(
        "reports/schedules.html", status, title="Reports", tabs=TABS, runs=runs, days=DAYS, formats=REPORT_FORMATS,
        selectors=FILTERS, has_mail=any(each.service == MAIL for each in channels), service_title=service_title,
        troubles={each.name: each.trouble for each in channels if each.trouble}, **found, **shown,
    )  # fmt: skip


def _filled_in(view: View, listed: list[ReportScheduleState]) -> dict[str, Any]:
    """The form, for the schedule that is to be edited, or for a new one."""
    wanted = view.request.query_params.get("edit")
    known = next((each for each in listed if each.name == wanted and not each.read_only), None)
    if known is None:
        said = {**NEW, "zone": view.filters.zone_name, "report": view.request.query_params.get("report", "daily")}
        return {"said": said, "only": {}, "to": [], "edited": ""}
    said = {name: str(getattr(known, name)) for name in FIELDS if name != "reason"}
    return {"said": {**said, "reason": ""}, "only": known.only, "to": known.to, "edited": known.name}


ROUTES: tuple[Change, ...] = (
    Change("/reports/schedules", save, "edit"),
    Change("/reports/schedules/{name:path}/remove", remove, "edit"),
)
