"""What browsers are told of every answer of the page, and what its templates must not need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tollkeeper.sidecar.web
from sidecar.api.world import World
from sidecar.web.visiting import Visitor, person
from tollkeeper.sidecar.web.rendering import static

TEMPLATES = sorted((Path(tollkeeper.sidecar.web.__file__).parent / "templates").rglob("*.html"))
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|\son[a-z]+\s*=|\sstyle\s*=|hx-on|<style|javascript:", re.I
)
JINJA = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.S)
OUTSIDE = re.compile(r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//", re.I)


@pytest.mark.parametrize("path", ["/sign-in", "/", "/live", "/static/none", "/nowhere", "/sign-out"])
def test_every_answer_has_them(world: World, path: str) -> None:
    headers = Visitor(world).get(path).headers
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
        "connect-src": "'self'", "font-src": "'self'", "form-action": "'self'", "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }  # fmt: skip
    told = {name: headers[name] for name in ("x-content-type-options", "referrer-policy", "cache-control")}
    assert told == {
        "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": "no-store",
    }  # fmt: skip
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_files_may_be_kept(world: World) -> None:
    answer = Visitor(world).get(static("tollkeeper.css"))
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert Visitor(world).get("/static/x/..%2f..%2fapp.py").status_code == 404


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_that_the_policy_forbids(path: Path) -> None:
    text = JINJA.sub("x", path.read_text())
    assert not INLINE.search(text)
    assert not OUTSIDE.search(text)


def test_a_visit_has_a_cookie_that_scripts_do_not_see(world: World) -> None:
    answer = Visitor(world).get("/sign-in")
    name, _, flags = answer.headers["set-cookie"].partition("=")
    assert name == "tollkeeper_visit" and flags.endswith("; Path=/; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_told_after_a_change_is_a_cookie_like_the_others(world: World, scheme: str) -> None:
    person(world, "ada", "viewer")
    visitor = Visitor(world, base_url=f"{scheme}://tollkeeper.example").as_user("ada")
    answer = visitor.post("/settings/sign-out-elsewhere", data={"csrf_token": visitor.own_token()})
    assert answer.status_code == 303
    flags = answer.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/"} <= set(flags)
    assert ("secure" in flags) == (scheme == "https")
