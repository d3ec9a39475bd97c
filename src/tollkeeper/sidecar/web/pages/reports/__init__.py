"""Reports for people, when they are sent, and what providers bill against what the ledger has."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from tollkeeper.sidecar.web.pages.reports import files, invoices, preview, reconciliation, schedules
from tollkeeper.sidecar.web.routes import Answer, Change, Show
from tollkeeper.sidecar.web.view import View

TABS: Mapping[str, Answer] = {
    "reports": preview.reports, "schedules": schedules.schedules, "reconciliation": reconciliation.compared,
}  # fmt: skip


async def reports(view: View) -> Response:
    """One of the tabs."""
    return await TABS.get(view.request.query_params.get("tab", "reports"), preview.reports)(view)


ROUTES: tuple[Show | Change, ...] = (
    Show("/reports", reports),
    *files.ROUTES,
    *schedules.ROUTES,
    *reconciliation.ROUTES,
    *invoices.ROUTES,
)
