"""`/provider-keys`: apps say what is set, and everybody who may read sees it."""

from __future__ import annotations

import pytest

from sidecar.api.world import World

PATH = "/api/v1/provider-keys"


def test_what_an_app_says_is_there_for_all_to_read(sqlite_world: World) -> None:
    said = {
        "service": "shop",
        "keys": [
            {"variable": "OPENAI_API_KEY", "is_set": True, "last_four": "WXYZ"},
            {"variable": "GOOGLE_API_KEY", "is_set": False, "last_four": None},
            {"variable": "OF_A_NEWER_VERSION", "is_set": True, "last_four": "abcd"},
        ],
    }
    assert sqlite_world.client("write").post(PATH, json=said).json() == {"keys": 2}
    told = sqlite_world.client("read").get(PATH).json()["keys"]
    assert [(each["provider"], each["variable"], each["is_set"], each["last_four"]) for each in told] == [
        ("gcp.gemini", "GOOGLE_API_KEY", False, None), ("openai", "OPENAI_API_KEY", True, "WXYZ"),
    ]  # fmt: skip
    assert {each["told_at"] for each in told} == {"2026-03-31T14:30:15.250000Z"}


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ([{"variable": "OPENAI_API_KEY", "is_set": True, "last_four": "sk-whole-key"}], "last_four"),
        ([{"variable": "OPENAI_API_KEY", "is_set": True, "value": "sk-whole-key"}], "value"),
        ([{"variable": "", "is_set": True}], "variable"),
        ([{"variable": "OPENAI_API_KEY"}], "is_set"),
    ],
)
def test_there_is_no_place_for_a_key(sqlite_world: World, keys: list[dict[str, object]], field: str) -> None:
    answer = sqlite_world.client("write").post(PATH, json={"service": "shop", "keys": keys})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"].endswith(field)
    assert sqlite_world.client("read").get(PATH).json() == {"keys": []}


def test_who_may_only_read_says_nothing(sqlite_world: World) -> None:
    assert sqlite_world.client("read").post(PATH, json={"service": "shop", "keys": []}).status_code == 403
