"""Files of others are as their packages have them; JSON in a page ends no element; files are kept by their content."""

from __future__ import annotations

import hashlib
import json
import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from sidecar.api.world import World
from sidecar.web.visiting import Visitor
from tollkeeper.sidecar.web.rendering import STATIC, Templates, bar, script_json, static

VENDOR = STATIC / "vendor"


def test_files_of_others_are_as_they_were_published() -> None:
    manifest = tomllib.loads((VENDOR / "MANIFEST.toml").read_text())["file"]
    named = {each["name"] for each in manifest} | {each["licence_file"] for each in manifest} | {"MANIFEST.toml"}
    assert {path.name for path in VENDOR.iterdir()} == named
    for each in manifest:
        assert hashlib.sha256((VENDOR / each["name"]).read_bytes()).hexdigest() == each["sha256"], each["name"]
        assert each["version"] in each["name"]


def test_a_file_is_kept_for_ever_by_its_digest_only(world: World) -> None:
    visitor = Visitor(world)
    now = visitor.get(static("tollkeeper.css"))
    assert now.status_code == 200 and "immutable" in now.headers["cache-control"]
    assert now.headers["content-type"].startswith("text/css")
    old = visitor.get("/static/000000000000/tollkeeper.css")
    assert old.status_code == 200 and old.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["0/../app.py", "0/..%2fapp.py", "0//etc/passwd", "0/nothing.css", "x"])
def test_nothing_else_is_served(world: World, path: str) -> None:
    assert Visitor(world).get(f"/static/{path}").status_code == 404


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda each: st.lists(each) | st.dictionaries(st.text(), each))
)
def test_json_in_a_page_is_the_value_and_no_markup(value: Any) -> None:
    told = str(script_json(value))
    assert json.loads(told) == value and not set(told) & set("<>&\u2028\u2029")


def test_money_is_drawn_and_bars_have_their_ends() -> None:
    assert script_json([Decimal("1.5")]) == "[1.5]"
    assert [bar(each) for each in (None, -1, Decimal("0.5"), 7)] == ["0.00", "0.00", "50.00", "100.00"]


def test_a_name_that_a_template_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        Templates({}).get_template("parts/options.html").render()
