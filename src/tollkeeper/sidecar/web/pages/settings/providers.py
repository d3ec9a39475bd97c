"""Providers: which are in use, when each was last seen, whether its key is set, and how to begin with the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from starlette.responses import Response

from tollkeeper.client.observing import ProviderKey
from tollkeeper.sidecar.web.view import View

LATELY_DAYS = 7
LATELY_TOLD = timedelta(hours=24)
"""Processes repeat what they have found every hour. What is older than this, beside something newer, is over."""


class KeyInUse(NamedTuple):
    """A key that is set, or that none is, and where. Of `services` the one that has said so last comes first."""

    variable: str
    is_set: bool
    last_four: str | None
    services: list[str]
    told_at: datetime


async def show(view: View) -> Response:
    """Those in use first. Whether a key is set is known where the app runs: apps say so; or calls were answered."""
    found = await view.together(
        known=view.api.status(), keys=view.api.provider_keys(),
        lately=view.api.usage(group_by="provider", days=LATELY_DAYS, zone="UTC", details=False),
    )  # fmt: skip
    lately = found["lately"].groups if found["lately"] else []
    providers = found["known"].providers if found["known"] else []
    told = found["keys"].keys if found["keys"] else []
    return view.page(
        "settings/providers.html", title="Settings", tab="providers", live=True,
        used=[each for each in providers if each.status == "configured"],
        others=[each for each in providers if each.status != "configured"],
        key_of={each.name: keys_in_use([key for key in told if key.provider == each.name]) for each in providers},
        answered={each.group["provider"] for each in lately if each.calls > each.failed_calls}, days=LATELY_DAYS,
        **found,
    )  # fmt: skip


def keys_in_use(told: Sequence[ProviderKey]) -> list[KeyInUse]:
    """What holds of a provider's keys. That none is set is said only where no service has one."""
    newest: dict[tuple[str, str], datetime] = {}
    for key in told:
        place = (key.service, key.variable)
        newest[place] = max(key.told_at, newest.get(place, key.told_at))
    found: dict[tuple[str, bool, str | None], list[ProviderKey]] = {}
    for key in sorted(told, key=lambda each: each.told_at, reverse=True):
        if key.told_at > newest[key.service, key.variable] - LATELY_TOLD:
            found.setdefault((key.variable, key.is_set, key.last_four), []).append(key)
    rows = [KeyInUse(*which, [key.service for key in where], where[0].told_at) for which, where in found.items()]
    return [row for row in rows if row.is_set] or rows
