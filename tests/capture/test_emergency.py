"""An emergency: a limit brings it about, or a person; all who share the counters see it; a person ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import tollkeeper
from clocks import Clock
from tollkeeper.capture.ladders import LOOK_AGAIN_NS, Ladders
from tollkeeper.capture.thresholds import Crossing
from tollkeeper.model import Bound, Call, Denial
from tollkeeper.policy.document import read_toml
from tollkeeper.policy.ladder import Change
from tollkeeper.simulator import Simulator
from tollkeeper.storage.admission import Admission
from tollkeeper.storage.counters import Level
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.emergency import WATCH

MESSAGES: Any = [{"role": "user", "content": "Hello"}]

POLICY = read_toml(
    """
[[limit]]
name = "daily"
limit = "4 requests / day per tenant"
mode = "soft"
at = [1000]
[[ladder]]
limit = "daily"
steps = [{ at = 50, do = "emergency" }]
[emergency]
models = { "gpt-4o" = "gpt-4o-mini" }
tokens = 16
shed = ["low"]
throttle = "2 requests / day per feature"
""",
    "policy.toml",
)

Instrument = Callable[..., tollkeeper.Instrumentation]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


def ask(simulator: Simulator, **tags: str) -> str:
    app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)
    with tollkeeper.tags(**tags):
        return app.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_completion_tokens=64).model


def test_a_step_declares_it_and_only_a_person_ends_it(
    instrumented: Instrument, simulator: Simulator, calls: list[Call], caplog: pytest.LogCaptureFixture
) -> None:
    handle = instrumented(policy=POLICY)
    ask(simulator, tenant="acme")
    assert not handle.emergency
    ask(simulator, tenant="acme")
    assert handle.emergency
    assert ask(simulator, tenant="globex").startswith("gpt-4o-mini"), "it is for all"
    with pytest.raises(openai.RateLimitError) as caught:
        ask(simulator, priority="low")
    denied = caught.value
    assert isinstance(denied, tollkeeper.Denied)
    assert (denied.reason, denied.limit.name, denied.retry_after) == ("emergency", "emergency", None)
    assert "is not sent until a person ends the emergency; its priority is low" in str(denied)
    ask(simulator, tenant="globex")
    with pytest.raises(tollkeeper.Denied, match="emergency throttle"):
        ask(simulator, tenant="globex")
    ask(simulator, tenant="globex", priority="critical")
    handle.flush()
    assert calls[-1].parameters["tollkeeper.steps"] == ("emergency",)
    assert calls[-1].parameters["gen_ai.request.max_tokens"] == 16
    told = [(record.levelno, record.message) for record in caplog.records if "mergency" in record.message.lower()]
    assert (logging.CRITICAL, "EMERGENCY: calls are changed and shed until a person ends it") in told

    assert handle.leave_emergency("ada", "the loop is fixed")
    assert not handle.leave_emergency("ada", "again")
    assert "the emergency was ended by ada: the loop is fixed" in caplog.text
    assert ask(simulator, tenant="acme").startswith("gpt-4o-2024"), "though the limit is as full as before"
    assert not handle.emergency


def test_a_person_declares_it(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(policy=POLICY)
    assert handle.enter_emergency("ada", "prices have changed")
    assert not handle.enter_emergency("ada", "again")
    assert ask(simulator).startswith("gpt-4o-mini")


def test_a_policy_that_says_nothing_of_it_has_none(instrumented: Instrument) -> None:
    handle = instrumented(policy=read_toml('[[limit]]\nlimit = "1 request / day"\n', "policy.toml"))
    assert not handle.enter_emergency("ada", "why not")
    assert not handle.emergency


def test_other_processes_see_it_with_their_next_call() -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    told: list[Crossing] = []
    here, there = (Admission(POLICY, counters, name) for name in ("here", "there"))
    ladders = Ladders(there, POLICY, told.append)
    there.learn = ladders.learn
    call = Call("id", "openai", "chat", clock.now, "gpt-4o", tags={"priority": "low"})
    assert ladders.change(call) == Change()
    here.emergency.enter()
    ticket = there.admit("first", there.bindings(call), Bound(0, 0, 0))
    assert not isinstance(ticket, Denial)
    assert isinstance(refused := ladders.change(call), Denial)
    assert refused.reason == "emergency"
    assert [(each.severity, each.status.limit.name) for each in told] == [("emergency", "emergency")]
    here.emergency.leave()
    clock.now += LOOK_AGAIN_NS + 1
    assert ladders.change(call) == Change(), "who has sent nothing for a while looks again"


def test_what_a_lease_knows_from_before_does_not_end_it() -> None:
    counters = MemoryCounters(Clock())
    admission = Admission(POLICY, counters, "here")
    ladders = Ladders(admission, POLICY, lambda crossing: None)
    admission.learn = ladders.learn
    call = Call("id", "openai", "chat", 0, "gpt-4o", tags={"priority": "low"})
    admission.emergency.enter()
    assert ladders.look_at_emergency()
    charges = [binding.charge(1, counters.now()) for binding in admission.bindings(call).counted]
    ladders.learn(admission.bindings(call).counted, [*charges, WATCH], [Level(0, 1), Level(0, 0)])
    assert isinstance(ladders.change(call), Denial)
