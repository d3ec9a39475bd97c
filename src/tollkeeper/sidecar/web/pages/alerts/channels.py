"""Channels: where alerts are told, whether that works, and what became of each message."""

from __future__ import annotations

from typing import Any, get_args

from starlette.responses import Response

from tollkeeper.client import ApiError, NotFound, Outdated
from tollkeeper.client.alerting import MessageState, Tried
from tollkeeper.sidecar.web.pages.alerts.matching import CHOICES
from tollkeeper.sidecar.web.pages.alerts.services import service_of, service_title, variable_of
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.sidecar.web.view import View

MOST = 100
STATE_WORDS = {"waiting": "Waiting", "sent": "Sent", "dead": "Not delivered"}
TOLD_OF = {
    "info": "everything", "warning": "warning and worse", "critical": "critical and emergency",
    "emergency": "emergency only",
}  # fmt: skip
REPEATS = ((86_400, "d"), (3600, "h"), (60, "min"))


async def show(view: View) -> Response:
    """All of them, how the last message went, and the log of deliveries."""
    query = view.request.query_params
    state: MessageState | None = next((each for each in get_args(MessageState) if each == query.get("state")), None)
    found = await view.together(
        channels=view.api.channels(),
        messages=view.api.notifications(channel=query.get("channel") or None, state=state, limit=MOST),
        lately=view.api.notifications(limit=1000),
    )
    last = {each.channel: each for each in reversed(found["lately"].notifications if found["lately"] else [])}
    context = {"last": last, "state": state or "", "of": query.get("channel", ""), "most": MOST, **_words(), **found}
    return view.page("alerts/channels.html", title="Alerts", tab="channels", live=True, **context)


async def channel(view: View) -> Response:
    """One of them."""
    return await _one(view)


async def test(view: View) -> Response:
    """Send an example there, now, and show what became of it."""
    tried = await view.api.test_channel(view.request.path_params["name"])
    return await _one(view, tried=tried)


async def remove(view: View) -> Response:
    """Tell nobody there any more."""
    name = view.request.path_params["name"]
    try:
        await view.api.remove_channel(name, reason=view.field("reason"))
    except NotFound:
        return view.done("/alerts?tab=channels", f"There is no channel {name} any more.")
    except Outdated as error:
        return await _one(view, error)
    return view.done("/alerts?tab=channels", f"The channel {name} is removed. Nobody is told there any more.")


async def _one(view: View, error: ApiError | None = None, tried: Tried | None = None) -> Response:
    name = view.request.path_params["name"]
    found = await view.api.channel(name)
    parts = await view.together(messages=view.api.notifications(channel=name, limit=MOST))
    status, problem = (200, "") if error is None else (error.status or 503, error.message)
    service = service_of(found)
    context = {
        "channel": found,
        "service": service,
        "variable": variable_of(found.url, service),
        "tried": tried,
        "problem": problem,
        "most": MOST,
        **_words(),
        **parts,
    }
    return view.page("alerts/channel.html", status, title=f"Channel {name}", **context)


def repeat_words(seconds: int) -> str:
    """How often it is told again, as people write it."""
    length, unit = next(((length, unit) for length, unit in REPEATS if seconds and seconds % length == 0), (1, "s"))
    return f"every {seconds // length} {unit}" if seconds else "never"


def _words() -> dict[str, Any]:
    return {
        "service_title": service_title, "state_words": STATE_WORDS, "repeat_words": repeat_words, "told_of": TOLD_OF,
        "choices": CHOICES,
    }  # fmt: skip


ROUTES: tuple[Show | Change, ...] = (
    Show("/alerts/channels/{name}", channel),
    Change("/alerts/channels/{name}/test", test, "admin"),
    Change("/alerts/channels/{name}/remove", remove, "admin"),
)
