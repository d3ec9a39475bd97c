"""What has fired: when, by kind and severity, and what it was about."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.model.finding import FINDING_KINDS, SEVERITIES
from tollkeeper.sidecar.web.filters import NAMED_RANGES
from tollkeeper.sidecar.web.pages.alerts.matching import KIND_WORDS
from tollkeeper.sidecar.web.view import View

MOST = 200
STATES = {"": "Firing and over", "firing": "Firing", "over": "Over"}


async def show(view: View) -> Response:
    """By when it began, newest first."""
    query, period = view.request.query_params, view.filters.period
    wanted = {name: query.get(name, "") for name in ("kind", "severity", "subject", "state")}
    kind = next((each for each in FINDING_KINDS if each == wanted["kind"]), None)
    found = await view.together(
        alerts=view.api.alerts(
            firing={"firing": True, "over": False}.get(wanted["state"]),
            kind=None if kind == "digest" else kind,
            severity=next((each for each in SEVERITIES if each == wanted["severity"]), None),
            subject=wanted["subject"] or None,
            limit=MOST,
            start=period.first,
            end=period.last,
            zone=view.filters.zone_name,
        )
    )
    return view.page(
        "alerts/history.html", title="Alerts", tab="history", wanted=wanted, kinds=FINDING_KINDS,
        severities=SEVERITIES, states=STATES, ranges=NAMED_RANGES, kind_words=KIND_WORDS, most=MOST, **found,
    )  # fmt: skip
