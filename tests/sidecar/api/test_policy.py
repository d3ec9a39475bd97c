"""The policy over HTTP: read with an ETag, set as a whole, every version kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sidecar.api.world import World, make_call
from tollkeeper.config import SERVE_DEFAULTS
from tollkeeper.model import Bound
from tollkeeper.sidecar.api import build
from tollkeeper.storage.admission import Ticket

PATH = "/api/v1/policy"
FEW = {"limit": [{"limit": "2 requests / day per tenant"}]}


def put(world: World, document: Any, reason: str = "a test", **headers: str) -> Any:
    return world.client("admin").put(PATH, json={"document": document, "reason": reason}, headers=headers)


def test_no_policy_is_one_without_limits(world: World) -> None:
    answer = world.client("read").get(PATH)
    assert answer.headers["etag"] == '"0"'
    assert answer.json() == {
        "version": 0, "recorded_at": None, "author": None, "reason": None, "file": None,
        "document": {"policy": {"name": "policy"}, "limit": []},
    }  # fmt: skip


def test_what_is_set_is_in_force(world: World) -> None:
    said = put(world, {"policy": {"preset": "low"}, **FEW}, "to begin with")
    assert (said.status_code, said.headers["etag"]) == (200, '"1"')
    answer = world.client("read").get(PATH)
    assert answer.json() == {**{name: said.json()[name] for name in said.json() if name != "kept_quotas"}, "file": None}
    assert (said.json()["author"], said.json()["reason"]) == ("a test", "to begin with")
    assert [limit["limit"] for limit in said.json()["document"]["limit"]] == [
        "$10 / day", "$60 / week", "$250 / month", "2 requests / day per tenant",
    ]  # fmt: skip
    limits = world.client("read").get("/api/v1/limits?tenant=acme").json()
    assert limits["day"]["limit_value"] == 2


def test_quotas_stay_when_a_policy_does_not_name_them(world: World) -> None:
    client = world.client("admin")
    put(world, FEW)
    for config in ("openai-prod", "*[x]"):
        client.put(f"/api/v1/quotas/{config}", json={"quota_limit": 1000})
    said = put(world, {"limit": [{"limit": "3 requests / day per tenant"}]})
    kept = said.json()["kept_quotas"]
    assert (kept[0], len(kept), said.json()["version"]) == ("quota openai-prod", 2, 4)
    assert [limit["name"] for limit in said.json()["document"]["limit"][1:]] == kept
    assert put(world, {"limit": [{"limit": "3 requests / day per tenant"}]}).json()["version"] == 4
    named = {
        "name": "quota openai-prod", "limit": "7 tokens / month per config",
        "match": {"tags": {"config": "openai-prod"}},
    }  # fmt: skip
    assert len(put(world, {"limit": [named]}).json()["kept_quotas"]) == 1
    assert world.client("read").get("/api/v1/quotas/openai-prod").json()["quota_limit"] == 7
    body = {"document": FEW, "reason": "a test", "drop_quotas": True}
    assert len(client.put(PATH, json=body).json()["document"]["limit"]) == 1


def test_the_same_again_is_304(world: World) -> None:
    client = world.client("read")
    tag = put(world, FEW).headers["etag"]
    same = client.get(PATH, headers={"If-None-Match": f'W/{tag}, "x"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    put(world, {"limit": []})
    assert client.get(PATH, headers={"If-None-Match": tag}).json()["version"] == 2


def test_somebody_else_was_quicker(world: World) -> None:
    assert put(world, FEW, **{"If-Match": '"0"'}).status_code == 200
    late = put(world, {"limit": []}, **{"If-Match": '"0"'})
    assert (late.status_code, late.json()["error"]["message"]) == (
        409, "the policy is at version 1, and not at 0 any more",
    )  # fmt: skip
    assert put(world, FEW, **{"If-Match": "x"}).status_code == 422


def test_all_mistakes_are_told(sqlite_world: World) -> None:
    wrong = {"policy": {"nmae": "x"}, "limit": [{"limit": "$10 / dya", "mode": "sotf"}]}
    answer = put(sqlite_world, wrong)
    assert answer.status_code == 422
    told = [answer.json()["error"], *answer.json()["others"]]
    assert [(each["field"], each["value"], each["expected"]) for each in told] == [
        ("policy.nmae", "'x'", "a known field; did you mean 'name'?"),
        ("limit[0].limit", "'$10 / dya'", "'day' in place of 'dya'"),
        ("limit[0].mode", "'sotf'", "'soft'"),
    ]
    assert put(sqlite_world, FEW, "  ").json()["error"]["field"] == "reason"
    assert sqlite_world.policies.revision() == 0


def test_a_change_resets_no_usage(sqlite_world: World) -> None:
    put(sqlite_world, FEW)
    admission = sqlite_world.limiting.admission()
    ticket = admission.admit("a", admission.bindings(make_call(1)), Bound(1, 1, 1))
    assert isinstance(ticket, Ticket)
    put(sqlite_world, {"limit": [{"limit": "5 requests / day per tenant"}]})
    admission.settle(ticket, Bound(1, 1, 1))
    day = sqlite_world.client("read").get("/api/v1/limits?tenant=acme").json()["day"]
    assert (day["current_count"], day["limit_value"]) == (1, 5)


def test_every_version_is_kept(sqlite_world: World) -> None:
    for number in range(3):
        put(sqlite_world, {"policy": {"name": f"p{number}"}}, f"change {number}")
    client = sqlite_world.client("read")
    page = client.get(f"{PATH}/history?limit=2").json()
    rest = client.get(f"{PATH}/history?limit=2&cursor={page['next_cursor']}").json()
    assert [each["reason"] for each in (*page["versions"], *rest["versions"])] == ["change 2", "change 1", "change 0"]
    assert rest["next_cursor"] is None
    assert client.get(f"{PATH}/history?cursor=x").status_code == 422
    changes = sqlite_world.client("admin").get("/api/v1/audit?kind=policy").json()["changes"]
    assert [change["reason"] for change in changes] == ["change 2", "change 1", "change 0"]


def test_the_file_that_goes_before_is_told(sqlite_world: World) -> None:
    """Whatever is in force now: at the next start it is the file's."""
    settings = replace(SERVE_DEFAULTS, policy="/etc/limits.toml")
    app = build(replace(sqlite_world.services, settings=settings))
    put(sqlite_world, FEW)
    headers = {"Authorization": f"Bearer {sqlite_world.key('read')}"}
    assert TestClient(app).get("/policy", headers=headers).json()["file"] == "/etc/limits.toml"


def test_a_version_is_had_by_its_number(sqlite_world: World) -> None:
    client = sqlite_world.client("admin")
    for amount in (1, 2):
        document = {"limit": [{"limit": f"${amount} / day"}]}
        client.put("/api/v1/policy", json={"document": document, "reason": f"{amount}"})
    found = client.get("/api/v1/policy", params={"version": 1}).json()
    assert (found["version"], found["reason"], found["document"]["limit"][0]["limit"]) == (1, "1", "$1 / day")
    assert client.get("/api/v1/policy", params={"version": 3}).status_code == 404


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("write", 403), ("edit", 200), ("admin", 200)])
def test_who_may_set_it(sqlite_world: World, scope: str, status: int) -> None:
    body = {"document": FEW, "reason": "x"}
    assert sqlite_world.client(scope).put(PATH, json=body).status_code == status
