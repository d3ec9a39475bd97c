"""Access keys: made, shown once, and revoked."""

from __future__ import annotations

from typing import get_args

from starlette.responses import Response

from tollkeeper.client import Invalid, NotFound
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.settings import access
from tollkeeper.sidecar.web.routes import Change
from tollkeeper.sidecar.web.view import View
from tollkeeper.storage.access_keys import Scope

HERE = "/settings?tab=access"


async def create(view: View) -> Response:
    """The answer shows the key, this once: it is on no page that could be loaded again."""
    said = {name: view.field(name) for name in ("name", "scope", "expires", "reason")}
    scope: Scope = next((each for each in get_args(Scope) if each == said["scope"]), "read")
    if said["expires"] not in access.EXPIRIES:
        return await access.show(view, 422, problem="Choose when the key expires.", wrong_form="key", form=said)
    days = number_in(said["expires"])
    try:
        made = await view.api.create_key(said["name"], scope, expires_in_days=days, reason=said["reason"] or None)
    except Invalid as error:
        return await access.show(view, 422, problem=error.message, wrong_form="key", form=said)
    answer = await access.show(view, made=made)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def revoke(view: View) -> Response:
    """At once, and for ever."""
    prefix = view.request.path_params["prefix"]
    try:
        await view.api.revoke_key(prefix, reason=view.field("reason") or None)
    except NotFound:
        return await access.show(view, 404, problem=f"There is no key {prefix}.", wrong_form="keys")
    return view.done(HERE, f"The key {prefix} is revoked: it is of no use any more.")


ROUTES = (
    Change("/settings/keys", create, "admin"),
    Change("/settings/keys/{prefix}/revoke", revoke, "admin"),
)
