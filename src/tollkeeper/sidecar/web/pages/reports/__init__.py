"""Reports for people, when they are sent, and what providers bill against what the ledger has."""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.sidecar.web.pages.reports import files, invoices, preview, reconciliation, schedules
from tollkeeper.sidecar.web.routes import Answer, Change, Show, tabbed

TABS: Mapping[str, Answer] = {
    "reports": preview.reports, "schedules": schedules.schedules, "reconciliation": reconciliation.compared,
}  # fmt: skip

ROUTES: tuple[Show | Change, ...] = (
    Show("/reports", tabbed(TABS)),
    *files.ROUTES,
    *schedules.ROUTES,
    *reconciliation.ROUTES,
    *invoices.ROUTES,
)
