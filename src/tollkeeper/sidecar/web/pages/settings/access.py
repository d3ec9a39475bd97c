"""Who may do what: keys of programs, users of the page, and who is signed in."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tollkeeper.sidecar.web.view import View
from tollkeeper.storage.users import ROLES

SCOPE_WORDS = {
    "read": "Sees costs, calls, limits and alerts; changes nothing. For Grafana and scripts",
    "write": "Also sends usage, and asks whether calls may go; changes no prices and no limits. For apps",
    "edit": "Also changes prices, limits and alerts; no keys, users or channels",
    "admin": "Also changes keys, users and channels: everything",
}
ROLE_WORDS = {
    "viewer": "Viewer: sees costs, calls, limits and alerts",
    "editor": "Editor: changes prices, limits and alerts, too",
    "admin": "Admin: changes everything, keys, users and channels, too",
}
EXPIRIES = {"": "Never", "30": "30 days", "90": "90 days", "365": "A year"}


async def show(view: View, status: int = 200, **said: Any) -> Response:
    """Of somebody who is no admin, their own account only. `said`: what was wrong with a form, and what it said."""
    asked: dict[str, Any] = {}
    if view.who.user is not None or view.who.session is not None:
        asked["own"] = view.api.own_sessions()
    if view.may("admin"):
        asked |= {"keys": view.api.keys(), "users": view.api.users(), "sessions": view.api.sessions()}
    found = {"keys": None, "users": None, "sessions": None, "own": None, **await view.together(**asked)}
    address = "" if view.who.is_local or view.who.is_open else await sign_in_address(view)
    context = {"problem": "", "wrong_form": "", "form": {}, "made": None, **said}
    return view.page(
        "settings/access.html", status, title="Settings", tab="access", scope_words=SCOPE_WORDS, roles=ROLES,
        role_words=ROLE_WORDS, expiries=EXPIRIES, address=address, **found, **context,
    )  # fmt: skip


async def sign_in_address(view: View) -> str:
    """Where people sign in: as the option says, else where whoever looks has come in."""
    found = (await view.together(options=view.api.settings()))["options"] if view.may("admin") else None
    said = next((each.value for each in found.settings if each.name == "public_url"), None) if found else None
    return f"{str(said or view.request.base_url).rstrip('/')}/sign-in"
