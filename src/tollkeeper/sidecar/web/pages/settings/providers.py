"""Providers: which are in use, when each was last seen, and how to begin with the others."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.sidecar.web.view import View

LATELY_DAYS = 7


async def show(view: View) -> Response:
    """Those in use first. Whether a key is set is known where the app runs; here, whether calls were answered by it."""
    found = await view.together(
        known=view.api.status(), lately=view.api.usage(group_by="provider", days=LATELY_DAYS, zone="UTC", details=False)
    )
    lately = found["lately"].groups if found["lately"] else []
    providers = found["known"].providers if found["known"] else []
    return view.page(
        "settings/providers.html", title="Settings", tab="providers", live=True,
        used=[each for each in providers if each.status == "configured"],
        others=[each for each in providers if each.status != "configured"],
        answered={each.group["provider"] for each in lately if each.calls > each.failed_calls}, days=LATELY_DAYS,
        **found,
    )  # fmt: skip
