"""The emergency over HTTP: begun and ended by people, with an audit entry each."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.api.world import World
from tollkeeper.cli import emergency as cli
from tollkeeper.storage.counters import Counters
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.emergency import EmergencySwitch

PATH = "/api/v1/emergency"
POLICY = {"limit": [{"limit": "2 requests / day"}], "emergency": {"shed": ["low"]}}


def test_it_is_begun_and_ended_by_people(world: World) -> None:
    reader, admin = world.client("read"), world.client("admin")
    nothing = {"active": False, "declared": False, "last_change": None}
    assert reader.get(PATH).json() == nothing
    refused = admin.post(PATH, json={"reason": "why not"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        409, "the policy in force does not say what is done in an emergency",
    )  # fmt: skip
    admin.put("/api/v1/policy", json={"document": POLICY, "reason": "a test"})
    begun = admin.post(PATH, json={"reason": "a loop"}).json()
    assert (begun["active"], begun["declared"]) == (True, True)
    assert (begun["last_change"]["action"], begun["last_change"]["reason"]) == ("enter", "a loop")
    assert admin.post(PATH, json={"reason": "again"}).json() == begun, "there is one already"
    assert reader.get(PATH).json() == begun
    ended = admin.delete(PATH, params={"reason": "it is fixed"}).json()
    assert (ended["active"], ended["last_change"]["reason"]) == (False, "it is fixed")
    trail = admin.get("/api/v1/audit?kind=emergency").json()["changes"]
    assert [(entry["action"], entry["before"], entry["after"], entry["author"]) for entry in trail] == [
        ("leave", True, False, "a test"), ("enter", False, True, "a test"),
    ]  # fmt: skip


def test_readers_do_not_change_it_and_reasons_are_given(world: World) -> None:
    assert world.client("read").post(PATH, json={"reason": "x"}).status_code == 403
    assert world.client("write").delete(PATH, params={"reason": "x"}).status_code == 403
    assert world.client("admin").delete(PATH).status_code == 422
    assert world.client("admin").post(PATH, json={"reason": ""}).status_code == 422


def test_the_command_works_on_counters_without_a_sidecar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'limits.db'}"
    counters: Counters = open_counters(url)
    switch = EmergencySwitch(counters, "app")
    assert cli.main(["--counters", url]) == 0
    assert cli.main(["enter", "--counters", url, "--reason", "a loop"]) == 0
    assert switch.is_on()
    assert cli.main(["leave", "--counters", url, "--reason", "fixed"]) == 0
    assert not switch.is_on()
    assert capsys.readouterr().out.splitlines() == ["no emergency", "EMERGENCY", "no emergency"]
    assert cli.main(["--counters", "carrier-pigeon:"]) == 1
    assert "are no counters" in capsys.readouterr().err
    counters.close()
