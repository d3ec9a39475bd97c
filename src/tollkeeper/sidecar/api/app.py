"""The application: which routes there are, and what a caller needs for each."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.datastructures import State

from tollkeeper.sidecar.api import (
    agreements,
    alertmanager,
    alerts,
    anomalies,
    audit,
    backtests,
    benchmarks,
    calls,
    channels,
    effective,
    emergency,
    forecasts,
    invoices,
    keys,
    limit_usage,
    limits,
    me,
    model_prices,
    notifications,
    overview,
    patterns,
    policy,
    price_changes,
    price_previews,
    prices,
    provider_health,
    provider_keys,
    quotas,
    recommendations,
    reconciliations,
    report_schedules,
    reports,
    repricing,
    settings,
    silences,
    stats,
    status,
    usage,
    users,
    what_if,
)
from tollkeeper.sidecar.api.auth import needs
from tollkeeper.sidecar.api.problems import Refusal, install, refuse_unknown_parameters
from tollkeeper.sidecar.api.reference import install_reference
from tollkeeper.sidecar.api.services import Services
from tollkeeper.storage.access_keys import Scope
from tollkeeper.version import __version__

ROUTES: tuple[tuple[APIRouter, Scope | None], ...] = (
    (status.router, "read"),
    (stats.router, "read"),
    (usage.router, "read"),
    (calls.router, "read"),
    (effective.router, "read"),  # these two before the routes of single rows, which match any word
    (model_prices.router, "read"),
    (prices.router, "read"),
    (limits.router, "read"),
    (limit_usage.router, "read"),
    (agreements.router, "read"),
    (agreements.changes, "edit"),
    (policy.router, "read"),
    (policy.changes, "edit"),
    (emergency.router, "read"),
    (emergency.changes, "edit"),
    (backtests.router, "read"),
    (quotas.alerts, "write"),  # before those of single quotas, which match any path
    (quotas.router, "read"),
    (quotas.changes, "edit"),
    (alerts.router, "read"),
    (alerts.changes, "edit"),
    (alertmanager.router, "write"),
    (silences.router, "read"),
    (silences.changes, "edit"),
    (channels.router, "read"),
    (channels.changes, "admin"),
    (notifications.router, "read"),
    (notifications.changes, "edit"),
    (anomalies.router, "read"),
    (anomalies.changes, "edit"),
    (forecasts.router, "read"),
    (recommendations.router, "read"),
    (recommendations.changes, "edit"),
    (what_if.router, "read"),
    (provider_health.router, "read"),
    (provider_keys.router, "read"),
    (provider_keys.telling, "write"),
    (benchmarks.router, "read"),
    (benchmarks.changes, "edit"),
    (patterns.router, "read"),
    (reports.router, "read"),
    (report_schedules.router, "read"),
    (report_schedules.changes, "edit"),
    (reconciliations.router, "read"),
    (reconciliations.changes, "edit"),
    (invoices.changes, "edit"),
    (price_previews.router, "read"),
    (repricing.router, "edit"),
    (price_changes.router, "edit"),
    (audit.router, "edit"),
    (keys.router, "admin"),
    (users.router, "admin"),
    (me.router, "read"),
    (settings.router, "admin"),
    (overview.router, "read"),
    (overview.liveness, None),
)
"""Every route, and the scope that a caller's key must be good for; `None`: nobody is asked for a key."""

TAGS = [
    {"name": "usage", "description": "What was used, and what it cost."},
    {"name": "calls", "description": "Every call: what was asked of whom, what it used and cost, and why."},
    {"name": "prices", "description": "What models cost, from when on, and who says so."},
    {"name": "limits", "description": "How much may be used, how much is, and what would be admitted."},
    {"name": "alerts", "description": "What people are told of, where, and what became of it."},
    {"name": "insight", "description": "What is unusual, where it will end, and what could be cheaper."},
    {"name": "reports", "description": "What people read: pages, PDFs and tables of it."},
    {"name": "reconciliation", "description": "Whether the ledger agrees with what providers bill, and why not."},
    {"name": "keys", "description": "Who may use this API."},
    {"name": "users", "description": "Who may sign in to the page, and who is."},
    {"name": "system", "description": "How the sidecar itself is."},
]

DESCRIPTION = """\
What LLM calls were made, what they used and what they cost: exactly once, at the price in force when they were made.

* **Money** is exact. Amounts are decimal numbers of US dollars; the fields that end with `_nano_usd` are the same as
  whole billionths. What is unknown is `null`, never 0; counts such as `unpriced_calls` say how much is missing.
* **Times** are ISO 8601 in UTC, or in the time zone that was asked for. Ranges are days of that zone's calendar.
* **Keys**: `Authorization: Bearer <key>`, for `read`, `write` (that and sending usage), `edit` (that and
  changing prices, limits and the like) or `admin` (that and changing keys, users and channels).
* **Errors** are `{"error": {"message", "field", "value", "expected"}, "others": [...]}`.
"""

ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "No key, or one that is not valid."},
    403: {"model": Refusal, "description": "The key does not have the scope that is needed."},
    422: {"model": Refusal, "description": "A parameter or the body is wrong; nothing was done."},
    503: {"model": Refusal, "description": "The database cannot be used just now; to be repeated."},
}


def build(services: Services) -> FastAPI:
    """The application, to be mounted at `/api/v1`."""
    app = copy(_routed())
    app.state = State({"services": services})
    return app


@cache
def _routed() -> FastAPI:
    """One of nobody's services. Its routes and its document take a second to make, and are the same for all."""
    app = FastAPI(
        title="Tollkeeper",
        summary="A ledger of LLM calls that equals the invoice.",
        description=DESCRIPTION,
        version=__version__,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
    )
    install(app)
    install_reference(app)
    for router, scope in ROUTES:
        asked = [needs(scope)] if scope else []
        errors = {status: told for status, told in ERRORS.items() if scope or status == 422}
        app.include_router(router, dependencies=[*asked, Depends(refuse_unknown_parameters)], responses=errors)
    # Every request looks into it; made by the first two at once, it would be made wrong.
    app.openapi()
    return app
