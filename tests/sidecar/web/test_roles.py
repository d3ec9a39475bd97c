"""Who may do what on the page, whichever forms there are."""

from __future__ import annotations

import re

import pytest

from sidecar.api.world import World
from sidecar.web.visiting import Visitor, person, site_of
from tollkeeper.sidecar.web.app import ROUTES
from tollkeeper.sidecar.web.identity import Identity
from tollkeeper.sidecar.web.routes import Change, Show
from tollkeeper.storage.access_keys import Scope, allows
from tollkeeper.storage.users import ROLES, SCOPES_OF, Role

FORMS = [route for route in ROUTES if isinstance(route, Change)]
PAGES = [route for route in ROUTES if isinstance(route, Show)]


def at(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "1", path)


def test_nobody_sees_or_sends_anything_without_signing_in(world: World) -> None:
    visitor = Visitor(world)
    token = visitor.token()
    for page in PAGES:
        assert visitor.get(at(page.path)).headers["location"].startswith("/sign-in?next="), page.path
    for form in FORMS:
        answer = visitor.post(at(form.path), data={"csrf_token": token})
        assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in"), form.path
    assert visitor.get("/live").status_code == 401


@pytest.mark.parametrize("role", ROLES)
def test_a_form_is_refused_to_whoever_may_not(world: World, role: str) -> None:
    """The page asks itself, before it looks at what was sent; the API would refuse it too."""
    person(world, "ada", role)
    visitor = Visitor(world).as_user("ada")
    before = len(world.audit.entries()[0])
    for form in FORMS:
        if allows(next(scopes for name, scopes in SCOPES_OF.items() if name == role), form.scope):
            continue
        answer = visitor.post(at(form.path), data={"csrf_token": visitor.own_token()})
        assert answer.status_code == 403 and f"You are {role}" in answer.text, form.path
    assert len(world.audit.entries()[0]) == before


def test_no_form_is_accepted_without_a_token(world: World) -> None:
    person(world, "ada", "admin")
    visitor = Visitor(world).as_user("ada")
    for form in FORMS:
        assert visitor.post(at(form.path)).status_code == 403, form.path


def test_there_is_no_other_way_to_send_something(world: World) -> None:
    """Every route that takes more than questions is one of the forms, or signs in and out."""
    mounted = site_of(world).routes[-1].app  # type: ignore[attr-defined]
    sending = {route.path for route in mounted.routes if {"POST", "PUT", "PATCH", "DELETE"} & (route.methods or set())}
    assert sending == {form.path for form in FORMS} | {"/sign-in", "/sign-out"}


def test_whoever_has_a_key_has_the_role_of_its_scope() -> None:
    scopes: tuple[tuple[Scope, Role], ...] = (
        ("read", "viewer"),
        ("write", "viewer"),
        ("edit", "editor"),
        ("admin", "admin"),
    )
    for scope, role in scopes:
        assert Identity("a key", (scope,)).role == role
    assert {role: Identity("ada", SCOPES_OF[role]).role for role in ROLES} == {role: role for role in ROLES}
