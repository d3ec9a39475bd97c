"""Users of the page: made, changed, disabled; their passwords, and where they are signed in."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from starlette.responses import Response

from tollkeeper.client import ApiError
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.settings import access
from tollkeeper.sidecar.web.routes import Change
from tollkeeper.sidecar.web.view import View
from tollkeeper.storage.users import ROLES, Role

HERE = "/settings?tab=access"


async def create(view: View) -> Response:
    """They sign in with the password that is given here, and can set another one."""
    said = {name: view.field(name) for name in ("name", "role", "reason")}
    asked = view.api.create_user(said["name"], _secret(view, "password"), _role(view), reason=said["reason"] or None)
    if view.who.is_local or view.who.is_open:
        told = "is known now. Nobody signs in yet: below is how they can."
    else:
        told = f"can sign in now, at {await access.sign_in_address(view)}"
    return await _done(view, asked, f"{said['name']} {told}", "user", said)


async def change(view: View) -> Response:
    """Another role, or out; or in again."""
    name, active = _name(view), {"yes": True, "no": False}.get(view.field("active"))
    role = _role(view) if view.field("role") else None
    asked = view.api.change_user(
        name, role=role, active=active, reason=view.field("reason") or None, expected=_version(view)
    )
    return await _done(view, asked, f"{name} is changed. It holds from their next step on.", f"user-{name}")


async def set_password(view: View) -> Response:
    """For somebody who has lost theirs."""
    name = _name(view)
    asked = view.api.set_user_password(
        name, _secret(view, "password"), reason=view.field("reason") or None, expected=_version(view)
    )
    told = f"{name} has another password, and has to sign in anew. Tell them in private."
    return await _done(view, asked, told, f"user-{name}")


async def end_sessions(view: View) -> Response:
    """They have to sign in anew, wherever they are."""
    name = _name(view)
    asked = view.api.end_user_sessions(name, reason=view.field("reason") or None)
    return await _done(view, asked, f"{name} is signed out everywhere.", f"user-{name}")


async def end_session(view: View) -> Response:
    """One of somebody's, or of whoever is signed in by a key."""
    asked = view.api.end_session(view.request.path_params["id"], reason=view.field("reason") or None)
    return await _done(view, asked, "That session is over.", "sessions")


async def set_own_password(view: View) -> Response:
    """One's own, by the one that is good now."""
    if _secret(view, "password") != _secret(view, "again"):
        return await access.show(view, 422, problem="The two new passwords are not the same.", wrong_form="own")
    asked = view.api.set_own_password(_secret(view, "current"), _secret(view, "password"))
    return await _done(view, asked, "Your password is another one now. You are signed out elsewhere.", "own")


async def end_own_sessions(view: View) -> Response:
    """All of one's sessions but this one."""
    return await _done(view, view.api.end_own_sessions(), "You are signed out elsewhere.", "own")


async def _done(
    view: View, asked: Awaitable[Any], notice: str, form: str, said: dict[str, str] | None = None
) -> Response:
    try:
        await asked
    except ApiError as error:
        return await access.show(view, error.status or 503, problem=error.message, wrong_form=form, form=said or {})
    return view.done(HERE, notice)


def _name(view: View) -> str:
    name: str = view.request.path_params["name"]
    return name


def _role(view: View) -> Role:
    return next((each for each in ROLES if each == view.field("role")), "viewer")


def _version(view: View) -> int:
    """Of the user as they were shown; of a form that does not say it, one that nobody is at."""
    return number_in(view.field("version")) or 0


def _secret(view: View, name: str) -> str:
    """As it was typed: a space may be a part of it."""
    value = view.form.get(name)
    return value if isinstance(value, str) else ""


ROUTES = (
    Change("/settings/users", create, "admin"),
    Change("/settings/users/{name}", change, "admin"),
    Change("/settings/users/{name}/password", set_password, "admin"),
    Change("/settings/users/{name}/sign-out", end_sessions, "admin"),
    Change("/settings/sessions/{id}/end", end_session, "admin"),
    Change("/settings/own-password", set_own_password, "read"),
    Change("/settings/sign-out-elsewhere", end_own_sessions, "read"),
)
