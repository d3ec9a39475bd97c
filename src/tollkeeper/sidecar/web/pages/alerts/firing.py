"""What fires now: how bad, about whom, since when, and who has taken it on."""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response

from tollkeeper.model.finding import SEVERITIES
from tollkeeper.sidecar.web.pages.alerts.matching import KIND_WORDS, silence_link
from tollkeeper.sidecar.web.view import View

MOST = 500


async def show(view: View) -> Response:
    """The worst first, then the newest."""
    found = await view.together(alerts=view.api.alerts(firing=True, limit=MOST))
    alerts = found["alerts"] and sorted(
        found["alerts"].alerts,
        key=lambda each: (-SEVERITIES.index(each.severity), -each.began_at.timestamp()),
    )
    counted = Counter(each.severity for each in alerts or ())
    return view.page(
        "alerts/firing.html",
        title="Alerts",
        tab="firing",
        live=True,
        alerts=alerts,
        answer=found["alerts"],
        most=MOST,
        counted=[(name, counted[name]) for name in reversed(SEVERITIES) if counted[name]],
        taken_on=sum(each.acknowledged_by is not None for each in alerts or ()),
        muted=sum(each.muted for each in alerts or ()),
        kind_words=KIND_WORDS,
        silence_link=silence_link,
    )
