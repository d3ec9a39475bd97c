"""Before a limit is saved, it is said who will be told as it fills."""

from __future__ import annotations

import json
from typing import Any

from sidecar.api.world import World
from sidecar.web.visiting import Visitor, person
from tollkeeper.client.alerting import ChannelState, Trouble
from tollkeeper.policy.document import read_json
from tollkeeper.sidecar.web.pages.budgets.told import Telling, Told, telling


def channel(name: str, **fields: Any) -> ChannelState:
    said = {
        "read_only": False, "kind": "webhook", "url": "", "secret": None, "at_least": "info", "only": {}, "repeat": 0,
        "resolved": True, "title": None, "body": None, "via": "direct", "digest": None, "service": None,
        "trouble": None,
    }  # fmt: skip
    return ChannelState(name=name, **{**said, **fields})


def told(limit: dict[str, Any], *channels: ChannelState) -> Telling | None:
    return telling(read_json(json.dumps({"limit": [limit]}), "tests"), "daily", channels)


def test_who_is_told_of_a_limit() -> None:
    daily = {"name": "daily", "limit": "$10 / day per tenant"}
    asking = (
        channel("ops", trouble=Trouble(detail="not set", since=None, messages=0)),
        channel("slack", at_least="critical", only={"tenant": ["acme", "glob*"]}),
        channel("users", only={"user": ["x"]}),
        channel("models", only={"kind": ["unpriced_model"]}),
        channel("others", only={"limit": ["month*"]}),
        channel("emergencies", at_least="emergency"),
        channel("by-alertmanager", via="alertmanager"),
        channel("alertmanager", kind="alertmanager", via="alertmanager"),
    )
    assert told(daily, *asking) == Telling(
        (50, 80, 90, 95, 100),
        [
            Told("ops", "", True),
            Told("slack", "from 95 % on, tenant acme, glob* only", False),
            Told("alertmanager", "", False),
        ],
    )
    assert told({"name": "daily", "limit": "9 requests / minute"}, asking[0]) == Telling(
        (100,), [Told("ops", "", True)]
    )
    assert told({"name": "daily", "limit": "$1 / request"}, asking[0]) == Telling((), [])


def test_the_review_says_so(sqlite_world: World) -> None:
    person(sqlite_world, "ada", "admin")
    ada = Visitor(sqlite_world).as_user("ada")
    form = {"what": "limit", "amount": "10", "measure": "usd", "window": "day", "whose": "tenant", "then": "refuse",
            "at": "50, 80, 95", "version": "0", "csrf_token": ada.own_token()}  # fmt: skip
    assert "no channel takes its alerts" in ada.post("/budgets/review", data=form).text
    slack = {"kind": "slack", "url": "env:NO_SLACK", "at_least": "critical"}
    assert sqlite_world.client("admin").put("/api/v1/channels/team", json=slack).status_code == 200
    page = ada.post("/budgets/review", data=form).text
    assert "told to: " in page and "from 95 % on" in page and "nothing arrives" in page
