"""Tells browsers that something has changed, by server-sent events: what it is, they then ask for themselves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import StreamingResponse

from tollkeeper.client import ApiError
from tollkeeper.sidecar.web.inside import Inside

LOOK_SECONDS = 2.0
NAMES = ("calls", "alerts", "limits")
KEEP_ALIVE_LOOKS = 7
"""Looks without news until a line says that the connection is alive."""
AGAIN_LOOKS = 2
"""A change is told once more so much later: what limits and rollups say of it may be some seconds old."""
RECENT = timedelta(minutes=1)
LONGEST_LOOKS = 1800
"""After an hour the browser connects anew: whoever was signed in may not be any more."""


def stream(request: Request, api: Inside) -> StreamingResponse:
    """Events named `calls`, `alerts` and `limits`, each when that has changed."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, api), media_type="text/event-stream", headers=headers)


async def _events(request: Request, api: Inside) -> AsyncIterator[str]:
    yield "retry: 5000\n\n"
    seen = await _look(api)
    # What has come in while the page was on its way may not be on it.
    lately: deque[list[str]] = deque([["calls"] if seen.get("recent") else [], *[[]] * (AGAIN_LOOKS - 1)])
    quiet = 0
    for _ in range(LONGEST_LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        if await request.is_disconnected():
            return
        now = await _look(api)
        changed = [name for name in NAMES if name in now and seen.get(name) != now[name]]
        lately.append(changed)
        told = {*changed, *lately.popleft()}
        seen, quiet = {**seen, **now}, 0 if told else quiet + 1
        for name in sorted(told):
            yield f"event: {name}\ndata: changed\n\n"
        if quiet and quiet % KEEP_ALIVE_LOOKS == 0:
            yield ": alive\n\n"


async def _look(api: Inside) -> Mapping[str, str]:
    """A mark of each thing, which is another one when it has changed. Of what cannot be asked just now, none."""
    try:
        calls, alerts, policy, emergency = await asyncio.gather(
            api.calls(limit=1), api.alerts(firing=True), api.policy(), api.emergency()
        )
    except ApiError:
        return {}
    newest = calls.calls[0] if calls.calls else None
    return {
        "calls": "" if newest is None else newest.id,
        "recent": "yes" if newest is not None and newest.started_at > datetime.now(UTC) - RECENT else "",
        "alerts": ";".join(f"{each.id}:{each.level}:{each.acknowledged_by}" for each in alerts.alerts),
        "limits": f"{policy.version}:{emergency.active}",
    }
