"""What the sidecar is told of providers' keys: whether they are set, and never the keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.processes import environment, run
from clocks import SecondsClock
from sidecar.api.serving import serving
from sidecar.api.world import World
from tollkeeper.capture.key_report import TELL_SECONDS, KeyReport
from tollkeeper.capture.ship import key_report
from tollkeeper.config import load
from tollkeeper.model.providers import KEY_VARIABLES, LAST, keys_in

KEY = "sk-proj-0123456789abcdefghijWXYZ"


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def told(world: World) -> dict[tuple[str, str], str | None]:
    """Of keys that are set."""
    keys = world.client("read").get("/api/v1/provider-keys").json()["keys"]
    return {(each["service"], each["variable"]): each["last_four"] for each in keys if each["is_set"]}


def test_it_is_told_when_it_changes_and_every_hour(world: World) -> None:
    variables, clock = {"OPENAI_API_KEY": KEY}, SecondsClock()
    with serving(world.app) as url:
        report = KeyReport(url, "shop", world.key("write"), find=lambda: keys_in(variables), clock=clock)
        assert report.poll() and not report.poll()
        assert told(world) == {("shop", "OPENAI_API_KEY"): "WXYZ"}
        variables["GROQ_API_KEY"] = "short"
        assert report.poll(), "as a file of variables is often read later"
        assert told(world) == {("shop", "OPENAI_API_KEY"): "WXYZ", ("shop", "GROQ_API_KEY"): None}
        clock.now += TELL_SECONDS - 1
        assert not report.poll()
        clock.now += 1
        assert report.poll()


def test_a_sidecar_that_is_away_or_refuses_is_told_later(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with serving(world.app) as url:
        assert not KeyReport(url, "shop", "no key", find=list).poll()
        assert not KeyReport(url, "", world.key("write"), find=list).poll()
        reading = KeyReport(url, "shop", world.key("read"), find=list)
    assert not reading.poll()
    assert [each for each in caplog.records if each.levelname != "DEBUG"] == []


@given(key=st.text(max_size=60))
def test_no_more_than_four_characters_of_a_long_key_are_told(key: str) -> None:
    found = {each.variable: each for each in keys_in({"OPENAI_API_KEY": key, "ELSE": KEY})}
    assert found.keys() == KEY_VARIABLES.keys()
    mine = found["OPENAI_API_KEY"]
    assert mine.is_set == bool(key.strip())
    assert mine.last_four is None or (len(mine.last_four) == LAST and len(key) >= 5 * LAST)
    assert [each for each in found.values() if each.is_set and each is not mine] == []


APP = """
import os, time, tollkeeper
with (
    tollkeeper.instrument(sidecar=os.environ["SIDECAR"], service_name="shop", providers=["openai"]),
    tollkeeper.Client(os.environ["SIDECAR"], os.environ["TOLLKEEPER_SIDECAR_KEY"]) as client,
):
    while not client.provider_keys().keys:
        time.sleep(0.02)
"""


def test_an_app_tells_it(world: World, tmp_path: Path) -> None:
    with serving(world.app) as url:
        more = {"SIDECAR": url, "TOLLKEEPER_SIDECAR_KEY": world.key("write"), "XDG_STATE_HOME": str(tmp_path)}
        run(APP, environment("", OPENAI_API_KEY=KEY, **more))
    assert told(world)["shop", "OPENAI_API_KEY"] == "WXYZ"
    assert not any(KEY in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


def test_an_app_that_does_not_want_to_tells_nothing() -> None:
    assert key_report(load({"sidecar": "http://127.0.0.1:4318", "report_keys": False}), "shop") is None
    assert key_report(load({"ledger": "sqlite:///calls.db"}), "shop") is None
