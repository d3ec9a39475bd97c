"""Rules of a policy over a real ledger: what they find, and what apps see of what is done then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openai
import pytest

import tollkeeper
from services.sinks import HttpSink, http_sink
from sidecar.api.world import World
from sidecar.insight.ledgers import Desk, call_of, loop, weeks, world_of
from tollkeeper.model import Call, Denial
from tollkeeper.policy.document import read_toml
from tollkeeper.policy.ladder import NO_CHANGE
from tollkeeper.sidecar.insight.responses import HELD_FOR, OWNER, Responses
from tollkeeper.sidecar.insight.rules import Rules
from tollkeeper.sidecar.limiting import Limiting
from tollkeeper.simulator import Simulator
from tollkeeper.storage.audit import AuditQuery
from tollkeeper.storage.counters import CountersUnavailable
from tollkeeper.storage.counters.opening import open_counters
from tollkeeper.storage.insight.recent import RecentUse
from tollkeeper.storage.ladders import change_now
from tollkeeper.storage.ledger import LedgerUnavailable
from tollkeeper.storage.policies import PolicyStore

LADDER = """
[[limit]]
name = "daily"
limit = "1000000 requests / day"
[[ladder]]
limit = "daily"
steps = [{ at = 80, do = "cheaper", models = { "gpt-4o" = "gpt-4o-mini" } }, { at = 90, do = "deny" }]
[emergency]
models = { "gpt-*" = "gpt-4o-mini" }
shed = ["low"]
"""
SESSION = """
[[anomaly]]
name = "session"
type = "threshold"
metric = "requests_per_hour"
threshold = 100
per = "session"
window = "15m"
severity = { critical = 300 }
cooldown = "10m"
respond = { ladder = "daily", at = %d }
"""
EMERGENCY = """
[[anomaly]]
name = "dear"
type = "threshold"
metric = "spend"
threshold = "$5"
window = "1h"
respond = "emergency"
"""


@pytest.fixture
def web() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


def found(world: World, said: str) -> list[tuple[Any, ...]]:
    policy = read_toml(LADDER + said, "policy.toml")
    rules = Rules(world.ledger, RecentUse(world.database), lambda: policy)
    each = [one.anomaly for one in rules.find(world.clock.nanoseconds())]
    return [(one.rule, dict(one.scope), round(one.actual, 3), one.severity) for one in each]


RULE = '[[anomaly]]\nname = "mine"\nmetric = "{}"\n{}\n'
AGENT, BOTH = {"feature": "agent"}, {"user": "u3", "feature": "agent"}
THRESHOLDS: tuple[tuple[str, str, list[tuple[Any, ...]]], ...] = (
    ("requests", 'threshold = 29\nper = "feature"', [({"feature": "agent"}, 30, "warning")]),
    ("requests", 'threshold = 31\nper = "feature"', []),
    ("requests_per_hour", 'threshold = 59\nwindow = "30m"', [({}, 60, "warning")]),
    ("spend", 'threshold = "$1.40"\nper = ["feature", "user"]', [(BOTH, 1.5e9, "warning")]),
    ("spend", 'threshold = 1\nper = "feature"\nseverity = {{ critical = "$1.5" }}', [(AGENT, 1.5e9, "critical")]),
    ("spend", 'threshold = 1\nfloor = "$3"', []),
    ("spend", 'threshold = 1\nmatch = {{ tags = {{ feature = "chat*" }} }}', []),
    ("cost_per_request", 'threshold = "$0.04"\nper = "model"', [({"model": "gpt-4o"}, 5e7, "warning")]),
    ("tokens_per_request", "threshold = 1000", [({}, 1100, "warning")]),
    ("latency", "threshold = 0.4", [({}, 0.5, "warning")]),
    ("error_rate", "threshold = 0.1", []),
    ("requests", 'threshold = 29\nper = "session"', [({"session": "loop-1"}, 30, "warning")]),
)  # fmt: skip


def test_thresholds_of_every_metric(tmp_path: Path) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        world.record(*loop(begins=0.5, until=0))
        for metric, said, expected in THRESHOLDS:
            kind = f'type = "threshold"\n{said}'
            if "window" not in said:
                kind += '\nwindow = "1h"'
            assert found(world, RULE.format(metric, kind.replace("{{", "{").replace("}}", "}"))) == [
                ("mine", *each) for each in expected
            ], (metric, said)


def test_a_plain_z_score_and_a_ratio_compare_with_what_was(tmp_path: Path) -> None:
    plain, thrice = RULE.format("spend", 'per = "feature"'), RULE.format("spend", 'type = "ratio"\nthreshold = 3')
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        assert found(world, plain + thrice.replace("mine", "thrice")) == [], "nothing was ever used"
        world.record(*weeks(10))
        assert found(world, plain) == []
        assert found(world, thrice) == []
        # Five dollars more in the last whole hour, 13:00 to 14:00, of one feature; the last hour has half of it.
        extra = ((70 - n * 2) for n in range(20))
        world.record(*(call_of(700_000 + n, "0.25", ago, feature="agent") for n, ago in enumerate(extra)))
        ((rule, scope, actual, severity),) = found(world, plain)
        assert (rule, scope, severity) == ("mine", {"feature": "agent"}, "warning")
        assert 5.5e9 <= actual <= 6.5e9
        assert found(world, RULE.format("spend", 'threshold = 60\nper = "feature"')) == []
        assert found(world, thrice) == []
        assert [one[0] for one in found(world, thrice.replace("= 3", "= 1.5"))] == ["mine"]


def test_a_rule_is_told_and_is_over(database_url: str, web: HttpSink) -> None:
    with world_of(database_url, web, LADDER + SESSION % 80) as world:
        desk = Desk(world)
        world.record(*loop(begins=1, until=0))
        desk.turn()
        told = [request.json for request in web.requests if request.json["limit"] == "session"]
        (fired,) = told
        assert (fired["severity"], fired["scope"]) == ("warning", {"session": "loop-1"})
        assert fired["title"] == "Warning: session for session loop-1: requests 240 requests"
        assert "Rule: requests_per_hour of 15m above 100" in fired["message"]
        assert "Its calls go by steps of a ladder until it is over" in fired["message"]
        assert fired["anomaly"]["response"] == "steps"
        for _ in range(22):
            desk.turn(60)
        told = [request.json for request in web.requests if request.json["limit"] == "session"]
        assert [one["event"] for one in told] == ["fired", "resolved"]
        (kept,) = [one for one in world.insight.anomalies.anomalies() if one.anomaly.kind == "rule"]
        assert kept.response_ended_at == kept.ended_at
        entries, _ = world.audit.entries(AuditQuery(author=OWNER))
        assert [(entry.action, entry.kind) for entry in entries] == [("leave", "anomaly"), ("enter", "anomaly")]


def ask(simulator: Simulator, session: str) -> str:
    app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)
    with tollkeeper.tags(session=session):
        return app.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=8
        ).model


class Shared:
    """A sidecar's rules and responses over a ledger, and counters in a file that apps share."""

    def __init__(self, world: World, path: Path, said: str) -> None:
        self.world, self.url = world, f"sqlite:///{path}/counters.db"
        self.policy = read_toml(LADDER + said, "policy.toml")
        world.policies.set(self.policy, author="tests", reason="a test")
        self.limiting = Limiting(PolicyStore(world.database), open_counters(self.url), "sidecar")
        self.store = world.insight.anomalies
        self.rules = Rules(world.ledger, RecentUse(world.database), lambda: self.policy)
        self.responses = Responses(self.limiting, self.store, world.audit)

    def turn(self, minutes: float = 0) -> None:
        self.world.clock.now += timedelta(minutes=minutes)
        now = self.world.clock.nanoseconds()
        self.responses.follow(self.store.follow("rule", self.rules.find(now), now), now)


def test_an_app_s_next_call_goes_by_the_steps_until_it_is_over(
    tmp_path: Path, simulator: Simulator, instrumented: Callable[..., tollkeeper.Instrumentation]
) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        shared = Shared(world, tmp_path, SESSION % 80)
        world.record(*loop(begins=1, until=0))
        instrumented(policy=shared.policy, counters=shared.url)
        shared.turn()
        assert ask(simulator, "loop-1").startswith("gpt-4o-mini")
        assert ask(simulator, "another").startswith("gpt-4o-2024")
        shared.turn(minutes=20)
        tollkeeper.uninstrument()
        instrumented(policy=shared.policy, counters=shared.url)
        assert ask(simulator, "loop-1").startswith("gpt-4o-2024")


def test_a_session_that_runs_away_is_denied_and_what_is_labelled_false_is_let_go(
    tmp_path: Path, simulator: Simulator, instrumented: Callable[..., tollkeeper.Instrumentation]
) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        shared = Shared(world, tmp_path, SESSION % 90)
        world.record(*loop(begins=1, until=0))
        shared.turn()
        instrumented(policy=shared.policy, counters=shared.url)
        with pytest.raises(
            tollkeeper.Denied, match="such calls are unusual, and are not sent until that is over"
        ) as no:
            ask(simulator, "loop-1")
        assert (no.value.reason, no.value.denial.status.scope) == ("anomaly", {"session": "loop-1"})
        assert simulator.requests == []
        call = Call("id", "openai", "chat", 0, "gpt-4o", tags={"session": "loop-1"})
        assert isinstance(change_now(shared.limiting.admission(), call), Denial), "the sidecar would say the same"
        other = replace(call, tags={"session": "other"})
        assert change_now(shared.limiting.admission(), other) == NO_CHANGE
        (kept,) = shared.store.open()
        shared.store.label(kept.id, "false", author="ada", note="a load test")
        shared.turn()
        assert shared.store.responding() == []
        tollkeeper.uninstrument()
        instrumented(policy=shared.policy, counters=shared.url)
        assert ask(simulator, "loop-1").startswith("gpt-4o-2024")


def test_an_emergency_is_begun_once_and_ended_by_a_person(
    tmp_path: Path, simulator: Simulator, instrumented: Callable[..., tollkeeper.Instrumentation]
) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        shared = Shared(world, tmp_path, EMERGENCY)
        world.record(*loop(begins=2, until=0))
        shared.turn()
        handle = instrumented(policy=shared.policy, counters=shared.url)
        assert ask(simulator, "any").startswith("gpt-4o-mini")
        assert handle.emergency
        assert handle.leave_emergency("ada", "seen")
        shared.turn(minutes=1)
        shared.store.end_response(shared.store.open()[0].id, 0)
        shared.turn(minutes=1)
        assert not handle.emergency, "who has ended it is not overruled"
        entries, _ = world.audit.entries(AuditQuery(author=OWNER))
        assert [(entry.kind, entry.action, entry.reason) for entry in entries] == [("emergency", "enter", "rule dear")]


def test_counters_that_were_away_or_emptied_are_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        shared = Shared(world, tmp_path, SESSION % 90)
        world.record(*loop(begins=1, until=0))
        away = shared.limiting.counters

        def gone(*_: object) -> None:
            raise CountersUnavailable("away")

        with monkeypatch.context() as patched:
            patched.setattr(away, "read", gone)
            shared.turn()
        (kept,) = shared.store.open()
        assert kept.response is None
        shared.turn()
        shared.limiting.counters = open_counters(f"sqlite:///{tmp_path}/empty.db")
        shared.turn()
        switch = shared.responses._switch(kept)
        assert switch.is_on()
        assert switch._charge.until >= HELD_FOR


def test_what_is_begun_is_recorded_first_and_comes_back_with_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world_of(f"sqlite:///{tmp_path}/ledger.db") as world:
        shared = Shared(world, tmp_path, SESSION % 90)
        world.record(*loop(begins=1, until=0))

        def full(*_: object) -> None:
            raise LedgerUnavailable("the disk is full")

        with monkeypatch.context() as patched, pytest.raises(LedgerUnavailable):
            patched.setattr(shared.store, "respond", full)
            shared.turn()
        (kept,) = shared.store.open()
        switch = shared.responses._switch(kept)
        assert not switch.is_on()
        seen = []
        for label in (None, "false", None):
            shared.store.label(kept.id, label, author="ada")
            shared.turn()
            seen.append((switch.is_on(), len(shared.store.responding())))
        assert seen == [(True, 1), (False, 0), (True, 1)]
