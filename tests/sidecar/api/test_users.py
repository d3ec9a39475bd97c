"""Users and sessions by the API, and what whoever is signed in may do to their own."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from sidecar.api.world import World
from tollkeeper.sidecar.api.auth import SIGNED_IN, SignedIn
from tollkeeper.sidecar.throttle import PER_ACCOUNT
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.sessions import Holder

API = "/api/v1"
PASSWORD = "correct horse battery"
OTHER = "staple of all trades"


def create(world: World, name: str = "ada", **fields: Any) -> Any:
    return world.client("admin").post(f"{API}/users", json={"name": name, "password": PASSWORD, **fields})


def signed_in(world: World, who: SignedIn) -> TestClient:
    """As the page asks, from inside the process."""

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await world.api({**scope, SIGNED_IN: who}, receive, send)

    return TestClient(inside, base_url="http://inside")


def session(world: World, name: str = "ada") -> str:
    user = world.users.user(name)
    assert user is not None
    return world.sessions.start(Holder(name, name, user.password_set_at), address="203.0.113.9", agent="a browser")[
        1
    ].id


def test_a_user_is_made_changed_and_disabled(world: World) -> None:
    admin = world.client("admin")
    made = create(world, role="editor", reason="new here")
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.json() == admin.get(f"{API}/users/ada").json() == admin.get(f"{API}/users").json()["users"][0]
    assert made.json() | {"created_at": 0, "password_set_at": 0} == {
        "name": "ada", "role": "editor", "version": 1, "active": True, "created_at": 0, "created_by": "a test",
        "password_set_at": 0, "disabled_at": None, "last_signed_in_at": None,
    }  # fmt: skip
    changed = admin.patch(f"{API}/users/ada", json={"role": "admin"}, headers={"If-Match": '"1"'})
    assert (changed.json()["role"], changed.headers["etag"]) == ("admin", '"2"')
    late = admin.patch(f"{API}/users/ada", json={"active": False}, headers={"If-Match": '"1"'})
    assert late.status_code == 409 and "at version 2, and not at 1" in late.json()["error"]["message"]
    session(world)
    for less in ({"active": False}, {"role": "editor"}):
        last = admin.patch(f"{API}/users/ada", json=less)
        assert last.status_code == 409 and "ada is the last active admin" in last.json()["error"]["message"]
    assert create(world, "grace", role="admin", reason="to follow").status_code == 201
    out = admin.patch(f"{API}/users/ada", json={"active": False, "reason": "left"})
    assert out.json()["active"] is False and out.json()["disabled_at"] is not None
    assert admin.get(f"{API}/sessions").json() == {"sessions": []}
    assert [each["reason"] for each in admin.get(f"{API}/audit?kind=user").json()["changes"]] == [
        "left",
        "to follow",
        "",
        "new here",
    ]


def test_what_is_wrong_is_told_without_the_password(world: World) -> None:
    short = create(world, "A B", password="hunter2")
    problems = [short.json()["error"], *short.json()["others"]]
    assert short.status_code == 422 and [one["field"] for one in problems] == ["name", "password"]
    assert "hunter2" not in short.text
    assert create(world).status_code == 201
    assert create(world, "ADA").status_code == 409
    admin = world.client("admin")
    assert admin.patch(f"{API}/users/grace", json={"role": "admin"}).status_code == 404
    assert admin.put(f"{API}/users/grace/password", json={"password": PASSWORD}).status_code == 404
    assert admin.patch(f"{API}/users/ada", json={"role": "root"}).status_code == 422
    assert admin.delete(f"{API}/sessions/x").status_code == admin.delete(f"{API}/users/x/sessions").status_code == 404


def test_an_admin_sets_a_password_and_ends_sessions(world: World) -> None:
    create(world)
    create(world, "grace")
    admin = world.client("admin")
    one, _, hers = session(world), session(world), session(world, "grace")
    found = admin.get(f"{API}/sessions?user=ada").json()["sessions"]
    assert {(each["user"], each["address"], each["agent"]) for each in found} == {("ada", "203.0.113.9", "a browser")}
    assert admin.delete(f"{API}/sessions/{one}").json() == {"sessions": 1}
    assert admin.delete(f"{API}/users/ada/sessions").json() == {"sessions": 1}
    session(world)
    assert admin.put(f"{API}/users/ada/password", json={"password": OTHER}).json()["version"] == 2
    assert [each["id"] for each in admin.get(f"{API}/sessions").json()["sessions"]] == [hers]
    assert world.users.authenticate("ada", OTHER) is not None


def test_whoever_is_signed_in_minds_their_own(sqlite_world: World) -> None:
    world = sqlite_world
    create(world)
    here, there = session(world), session(world)
    ada = signed_in(world, SignedIn("ada", ("read",), user="ada", session=here))
    assert ada.get("/me").json() == {"name": "ada", "scopes": ["read"], "user": "ada", "session": here}
    assert {each["id"] for each in ada.get("/me/sessions").json()["sessions"]} == {here, there}
    wrong = ada.put("/me/password", json={"current": "no idea at all", "password": OTHER})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "current")
    assert "no idea" not in wrong.text
    assert (
        ada.put("/me/password", json={"current": PASSWORD, "password": "short"}).json()["error"]["field"] == "password"
    )
    assert ada.put("/me/password", json={"current": PASSWORD, "password": OTHER}).status_code == 200
    assert [each["id"] for each in ada.get("/me/sessions").json()["sessions"]] == [here]
    session(world)
    assert ada.delete("/me/sessions").json() == {"sessions": 1}
    assert ada.get("/users").status_code == ada.get("/sessions").status_code == 403


def test_who_finds_a_browser_open_cannot_guess_the_password(sqlite_world: World) -> None:
    create(sqlite_world)
    ada = signed_in(sqlite_world, SignedIn("ada", ("read",), user="ada", session="x"))
    guess = {"current": "a guess", "password": OTHER}
    said = [ada.put("/me/password", json=guess) for _ in range((PER_ACCOUNT.window.burst or 0) + 1)]  # type: ignore[union-attr]
    assert {each.status_code for each in said[:-1]} == {422}
    assert (said[-1].status_code, said[-1].headers["retry-after"]) == (429, "180")


def test_a_database_that_is_away_is_no_wrong_password(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(name: str, password: str) -> None:
        raise LedgerUnavailable("gone")

    create(sqlite_world)
    ada = signed_in(sqlite_world, SignedIn("ada", ("read",), user="ada", session="x"))
    wanted = {"current": PASSWORD, "password": OTHER}
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_world.users, "authenticate", away)
        said = {ada.put("/me/password", json=wanted).status_code for _ in range((PER_ACCOUNT.window.burst or 0) + 1)}  # type: ignore[union-attr]
    assert said == {503}
    assert ada.put("/me/password", json=wanted).status_code == 200


@pytest.mark.parametrize("who", [None, SignedIn("grafana", ("read",), key_prefix="abcd1234", session="x")])
def test_who_has_a_key_has_no_password(sqlite_world: World, who: SignedIn | None) -> None:
    client = signed_in(sqlite_world, who) if who else sqlite_world.client("read", base_url="http://x")
    prefix = "" if who else API
    assert client.get(f"{prefix}/me").json()["user"] is None
    body = {"current": PASSWORD, "password": OTHER}
    assert client.put(f"{prefix}/me/password", json=body).status_code == 409
    assert client.get(f"{prefix}/me/sessions").status_code == (200 if who else 409)


def test_a_request_cannot_say_itself_that_somebody_is_signed_in(sqlite_world: World) -> None:
    for headers in ({SIGNED_IN: "admin"}, {"tollkeeper-signed-in": "admin"}, {"Cookie": f"{SIGNED_IN}=admin"}):
        assert sqlite_world.client().get(f"{API}/users", headers=headers).status_code == 401
