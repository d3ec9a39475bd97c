"""Forms that no browser sends: too long, of no length, or in letters of another kind."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sidecar.api.world import World
from sidecar.web.visiting import Visitor, person
from tollkeeper.sidecar.web.app import LONGEST_FORM
from tollkeeper.sidecar.web.cookies import SECURE
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.rendering import static
from tollkeeper.sidecar.web.view import View

KIND = "multipart/form-data; boundary=B"
BODY = b'--B\r\nContent-Disposition: form-data; name="reason"\r\n\r\n\\ud800\r\n--B--\r\n'


@pytest.mark.parametrize("path", ["/sign-in", "/settings/own-password"])
@pytest.mark.parametrize(
    "charset", ["undefined", "unicode_escape", "punycode", "utf-8\0", "utf-16", "utf-8; charset=undefined"]
)
def test_a_form_is_in_utf_8(world: World, path: str, charset: str) -> None:
    person(world, "ada", "admin")
    visitor = Visitor(world).as_user("ada")
    said = {"content": BODY, "headers": {"Content-Type": f"{KIND}; charset={charset}"}}
    assert visitor.post(path, **said).status_code == 415  # type: ignore[arg-type]
    assert visitor.post(path, content=BODY, headers={"Content-Type": f"{KIND}; charset=UTF-8"}).status_code == 403


@pytest.mark.parametrize(
    ("length", "status"),
    [(None, 411), ("x", 411), (str(LONGEST_FORM + 1), 413), ("9" * 5000, 413), ("0", 403)],
)
def test_a_form_that_is_too_long_is_not_read(world: World, length: str | None, status: int) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world).as_user("ada")
    sent = {"content": iter([b""])} if length is None else {"headers": {"Content-Length": length}}
    assert visitor.post("/settings/own-password", **sent).status_code == status  # type: ignore[arg-type]


def test_what_a_viewer_may_not_send_is_not_read(world: World) -> None:
    read = []

    def body() -> Iterator[bytes]:
        read.append("it")
        yield b"a=b"

    kind = {"Content-Length": "3", "Content-Type": "application/x-www-form-urlencoded"}
    for role in ("viewer", "editor"):
        person(world, role, role)
        assert Visitor(world).as_user(role).post("/budgets/save", content=body(), headers=kind).status_code == 403
        assert bool(read) == (role == "editor")


@pytest.mark.parametrize("text", ["", "-1", "1.5", "٣", "²", "1" * 10, "9" * 5000, "x", None, 1])
def test_no_number(text: object) -> None:
    assert number_in(text) is None and number_in("0042") == 42


def test_files_that_anybody_may_keep_bring_no_cookie(world: World) -> None:
    visitor = Visitor(world)
    answer = visitor.get(static("tollkeeper.css"))
    assert answer.headers["cache-control"].startswith("public") and "set-cookie" not in answer.headers
    assert "tollkeeper_visit" in visitor.get("/sign-in").headers["set-cookie"]


def test_what_is_told_fits_a_cookie() -> None:
    view = SimpleNamespace(request=SimpleNamespace(scope={SECURE: True}))
    answer = View.done(view, "/", "\U0001f600" * 5000)  # type: ignore[arg-type]
    assert 3000 < len(answer.headers["set-cookie"]) < 4096


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/settings/keys", {"name": "x", "expires": "9" * 4500}, 422),
        ("/settings/keys", {"name": "x", "expires": "soon"}, 422),
        ("/settings/users/ada", {"version": "9" * 4500}, 409),
        ("/settings/users/ada", {"role": "viewer"}, 409),
        ("/budgets/save", {"what": "version", "number": "9" * 4500}, 422),
        ("/budgets/quota/reset", {"config": ""}, 422),
        ("/budgets/quota/remove", {"config": ".."}, 422),
        ("/pricing/end", {"row": "9" * 4500}, 404),
        ("/pricing/cancel", {"version": "٣" * 4500}, 422),
        ("/settings/keys/nonsense/revoke", {}, 404),
    ],
)
def test_a_form_that_says_no_number_changes_nothing(world: World, path: str, said: dict[str, str], status: int) -> None:
    person(world, "ada", "admin")
    visitor = Visitor(world).as_user("ada")
    before = len(world.audit.entries()[0])
    said = {"csrf_token": visitor.own_token(), "reason": "because", **said}
    assert visitor.post(path, data=said).status_code == status
    assert len(world.audit.entries()[0]) == before
