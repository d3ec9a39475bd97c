"""Tells browsers that something has changed, by server-sent events: what it is, they then ask for themselves."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from math import inf

from starlette.requests import Request
from starlette.responses import StreamingResponse

from tollkeeper.client import ApiError
from tollkeeper.sidecar.web.inside import Inside
from tollkeeper.storage.ledger import LedgerUnavailable

LOOK_SECONDS = 2.0
SHARED_SECONDS = 1.0
"""For so long one look does for all readers."""
NAMES = ("calls", "alerts", "limits")
KEEP_ALIVE_LOOKS = 7
"""Looks without news until a line says that the connection is alive."""
AGAIN_LOOKS = 2
"""A change is told once more so much later: what limits and rollups say of it may be some seconds old."""
RECENT = timedelta(minutes=1)
LONGEST_LOOKS = 1800
"""After an hour the browser connects anew."""

Asker = Callable[[], Awaitable[Inside | None]]
"""The API as who looks may ask it now; `None`, once they are signed out. Raises `LedgerUnavailable`."""
Pause = Callable[[float], Awaitable[None]]


def stream(request: Request, asker: Asker, marks: Marks) -> StreamingResponse:
    """Events named `calls`, `alerts` and `limits`, each when that has changed, as long as one is signed in."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(request, asker, marks), media_type="text/event-stream", headers=headers)


async def events(request: Request, asker: Asker, marks: Marks, pause: Pause = asyncio.sleep) -> AsyncIterator[str]:
    """As they are sent; between two looks there is a pause of so many seconds."""
    yield "retry: 5000\n\n"
    seen = await _look(asker, marks) or {}
    # What has come in while the page was on its way may not be on it.
    lately: deque[list[str]] = deque([["calls"] if seen.get("recent") else [], *[[]] * (AGAIN_LOOKS - 1)])
    quiet = 0
    for _ in range(LONGEST_LOOKS):
        await pause(LOOK_SECONDS)
        if await request.is_disconnected():
            return
        now = await _look(asker, marks)
        if now is None:
            return
        changed = [name for name in NAMES if name in now and seen.get(name) != now[name]]
        lately.append(changed)
        told = {*changed, *lately.popleft()}
        seen, quiet = {**seen, **now}, 0 if told else quiet + 1
        for name in sorted(told):
            yield f"event: {name}\ndata: changed\n\n"
        if quiet and quiet % KEEP_ALIVE_LOOKS == 0:
            yield ": alive\n\n"


class Marks:
    """What is looked at, for all readers of a process at once. `clock` tells seconds, `now` the time of day."""

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._clock = clock
        self._lock = asyncio.Lock()
        self._looked: tuple[float, Mapping[str, str]] = (-inf, {})

    async def of(self, api: Inside) -> Mapping[str, str]:
        """A mark of each thing, which is another one when it has changed. Raises `ApiError`."""
        async with self._lock:
            at, marks = self._looked
            if self._clock() - at >= SHARED_SECONDS:
                marks = await self._look(api)
                self._looked = self._clock(), marks
            return marks

    async def _look(self, api: Inside) -> Mapping[str, str]:
        calls, alerts, policy, emergency = await asyncio.gather(
            api.calls(limit=1), api.alerts(firing=True), api.policy(), api.emergency()
        )
        newest = calls.calls[0] if calls.calls else None
        return {
            "calls": "" if newest is None else newest.id,
            "recent": "yes" if newest is not None and newest.started_at > self._now() - RECENT else "",
            "alerts": ";".join(f"{each.id}:{each.level}:{each.acknowledged_by}" for each in alerts.alerts),
            "limits": f"{policy.version}:{emergency.active}",
        }


async def _look(asker: Asker, marks: Marks) -> Mapping[str, str] | None:
    """The marks; of what cannot be asked just now, none. `None`: this one may not look any more."""
    try:
        api = await asker()
        return None if api is None else await marks.of(api)
    except (ApiError, LedgerUnavailable):
        return {}
