"""Which of what fires now a silence would mean, while it is being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from tollkeeper.alerting.muting import SELECTORS, Silence
from tollkeeper.client.alerting import AlertState
from tollkeeper.model.finding import Finding
from tollkeeper.sidecar.web.pages.alerts.matching import of_query, read_globs
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View


def meant_by(alerts: Sequence[AlertState], said: Mapping[str, str]) -> list[AlertState]:
    """Those of the alerts that the fields mean; none, while nothing is said."""
    globs = read_globs(said)
    if not globs:
        return []
    silence = Silence(0, {name: tuple(each) for name, each in globs.items()}, 0, 1, "", "")
    return [each for each in alerts if silence.mutes(Finding(each.kind, each.subject, each.scope, each.severity), 0)]


async def matching(view: View) -> Response:
    """The part of the form that says so."""
    said = of_query(view.request.query_params, SELECTORS)
    alerts = await view.api.alerts(firing=True, limit=500)
    return view.page("alerts/meant.html", meant=meant_by(alerts.alerts, said), is_any=any(said.values()))


ROUTES = (Show("/alerts/matching", matching),)
