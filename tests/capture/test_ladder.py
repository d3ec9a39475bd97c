"""A call under a ladder: asked of a cheaper model, cut short, throttled, shed, or denied, as its limit fills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

import tollkeeper
from tollkeeper.model import Call, Limit, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_toml
from tollkeeper.simulator import Simulator

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
DAY = Window("day")

Instrument = Callable[..., tollkeeper.Instrumentation]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


def policy_of(steps: str, limit: str = "10 requests / day", more: str = "") -> Policy:
    """A policy of one limit, with these steps, `hysteresis` 5."""
    said = f'[[limit]]\nname = "daily"\nlimit = "{limit}"\n[[ladder]]\nlimit = "daily"\nsteps = [{steps}]\n{more}'
    return read_toml(said, "policy.toml")


def ask(simulator: Simulator, model: str = "gpt-4o", **options: Any) -> Any:
    app = openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0)
    return app.chat.completions.create(model=model, messages=MESSAGES, **{"max_completion_tokens": 64, **options})


def claude(simulator: Simulator, **options: Any) -> Any:
    app = anthropic.Anthropic(base_url=simulator.base_url("anthropic"), api_key="any", max_retries=0)
    return app.messages.create(
        **{"model": "claude-opus-4-5", "max_tokens": 512, "messages": MESSAGES, **options}  # type: ignore[arg-type]
    )


def sent(simulator: Simulator) -> dict[str, Any]:
    body = simulator.requests[-1].json()
    assert isinstance(body, dict)
    return body


CHEAPER = '{ at = 50, do = "cheaper", models = { "gpt-4o" = "gpt-4o-mini", "claude-opus-*" = "claude-haiku-4-5" } }'


def test_from_a_step_on_a_cheaper_model_is_asked(
    instrumented: Instrument, simulator: Simulator, calls: list[Call]
) -> None:
    handle = instrumented(policy=policy_of(CHEAPER, "4 requests / day"), prometheus=True)
    answers = [ask(simulator).model for _ in range(4)]
    handle.flush()
    assert [answer.startswith("gpt-4o-mini") for answer in answers] == [False, False, True, True]
    assert sent(simulator)["model"] == "gpt-4o-mini"
    dear, cheap = calls[0], calls[-1]
    assert (dear.request_model, cheap.request_model) == ("gpt-4o", "gpt-4o-mini")
    assert cheap.parameters["tollkeeper.asked.model"] == "gpt-4o"
    assert cheap.parameters["tollkeeper.steps"] == ("cheaper",)
    assert dear.cost is not None
    assert cheap.cost is not None
    assert cheap.cost.nano_usd * 5 < dear.cost.nano_usd, "it is priced as what it has become"
    text = handle.render_metrics()[0].decode()
    (line,) = [line for line in text.splitlines() if line.startswith("tollkeeper_degraded_calls_total{")]
    assert 'tollkeeper_step="cheaper"' in line
    assert line.endswith(" 2.0")


def test_it_is_bounded_and_held_as_what_it_has_become(instrumented: Instrument, simulator: Simulator) -> None:
    # 64 tokens of gpt-4o-mini fit into what is left; as many of gpt-4o never would.
    policy = policy_of('{ at = 1, do = "cheaper", models = { "gpt-4o" = "gpt-4o-mini" } }', "$0.0008 / day")
    handle = instrumented(policy=policy)
    ask(simulator, "gpt-4o-mini", max_completion_tokens=64)
    assert ask(simulator, "gpt-4o", max_completion_tokens=64).model.startswith("gpt-4o-mini")
    assert handle.limits()[0].held == 0


def test_a_stream_and_an_async_call_are_changed_as_well(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=policy_of(CHEAPER, "2 requests / day", more=""))
    ask(simulator)
    stream = ask(simulator, stream=True)
    assert isinstance(stream, openai.Stream)
    assert {chunk.model[:11] for chunk in stream} == {"gpt-4o-mini"}
    assert sent(simulator)["stream_options"] == {"include_usage": True}


def test_an_async_call_is_changed(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=policy_of(CHEAPER, "2 requests / day"))

    async def asks() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="any") as app:
            return [(await app.chat.completions.create(model="gpt-4o", messages=MESSAGES)).model[:11] for _ in range(2)]

    assert asyncio.run(asks()) == ["gpt-4o-2024", "gpt-4o-mini"]


def test_anthropic_is_changed_by_a_glob(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=policy_of(CHEAPER, "2 requests / day"))
    claude(simulator)
    with anthropic.Anthropic(base_url=simulator.base_url("anthropic"), api_key="any").messages.stream(
        model="claude-opus-4-5", max_tokens=99, messages=MESSAGES
    ) as stream:
        assert stream.get_final_message().model.startswith("claude-haiku-4-5")


def test_an_answer_is_cut_short(instrumented: Instrument, simulator: Simulator, calls: list[Call]) -> None:
    handle = instrumented(policy=policy_of('{ at = 10, do = "cap_output", tokens = 16 }'))
    ask(simulator)
    ask(simulator)
    assert sent(simulator)["max_completion_tokens"] == 16
    ask(simulator, max_completion_tokens=openai.omit, max_tokens=64)
    assert (sent(simulator)["max_tokens"], "max_completion_tokens" in sent(simulator)) == (16, False)
    ask(simulator, max_completion_tokens=8)
    assert sent(simulator)["max_completion_tokens"] == 8, "what is shorter stays"
    claude(simulator)
    assert sent(simulator)["max_tokens"] == 16
    claude(simulator, max_tokens=2048, thinking={"type": "enabled", "budget_tokens": 1024})
    assert sent(simulator)["max_tokens"] == 2048, "Anthropic refuses a cap below what thinking may take"
    handle.flush()
    steps = [call.parameters.get("tollkeeper.steps") for call in calls]
    assert steps == [None, ("cap_output",), ("cap_output",), None, ("cap_output",), None]


def test_calls_that_matter_less_are_shed_first(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(
        policy=policy_of(
            '{ at = 20, do = "shed", priority = ["low"] }, { at = 40, do = "shed", priority = ["normal", "low"] }'
        )
    )
    ask(simulator), ask(simulator)
    with tollkeeper.tags(priority="low"), pytest.raises(openai.RateLimitError) as caught:
        ask(simulator)
    denied = caught.value
    assert isinstance(denied, tollkeeper.Denied)
    assert (denied.reason, denied.limit.name, denied.used) == ("shed", "daily", 2)
    assert 0 < int(denied.response.headers["retry-after"]) <= 86_400
    assert "from 20 % on, calls of priority low are not sent" in str(denied)
    ask(simulator), ask(simulator)
    with pytest.raises(tollkeeper.Denied, match="calls of priority normal"):
        ask(simulator)
    with tollkeeper.tags(priority="critical"):
        ask(simulator)
    assert len(simulator.requests) == 5, "what is shed is not sent"


def test_calls_are_slowed_down_for_those_who_share_the_limit(instrumented: Instrument, simulator: Simulator) -> None:
    throttle = '{ at = 20, do = "throttle", limit = "2 requests / hour" }'
    instrumented(policy=policy_of(throttle, "10 requests / day per tenant"))
    with tollkeeper.tags(tenant="acme"):
        for _ in range(4):
            ask(simulator)
        with pytest.raises(tollkeeper.Denied, match="'daily throttle 20'.*for tenant 'acme' is used up; used 2") as one:
            ask(simulator)
    assert one.value.limit.amount == 2
    with tollkeeper.tags(tenant="globex"):
        ask(simulator)


def test_a_soft_limit_can_deny_by_its_ladder(
    instrumented: Instrument, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    said = (
        '[[limit]]\nname = "daily"\nlimit = "2 requests / day"\nmode = "soft"\nat = [1000]\n'
        '[[ladder]]\nlimit = "daily"\n'
        'steps = [{ at = 100, do = "alert" }, { at = 150, do = "deny" }]\n'
    )
    instrumented(policy=read_toml(said, "policy.toml"))
    ask(simulator), ask(simulator), ask(simulator)
    with pytest.raises(tollkeeper.Denied, match="so far used that no call is sent; used 3 requests; from 150 % on"):
        ask(simulator)
    told = [record.message for record in caplog.records if "daily" in record.message]
    assert told == ["limit 'daily' is at 100 %: alert", "limit 'daily' is at 150 %: deny"]


def test_a_process_that_has_not_seen_a_limit_looks_it_up(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(policy=policy_of(CHEAPER, "2 requests / day"))
    ask(simulator)
    gate = handle._emitter.gate
    assert gate is not None
    gate.use(policy_of(CHEAPER, "2 requests / day", '[[endpoint]]\nname = "x"\nbase_url = "http://x"\n'))
    gate._ladders._standing.clear()  # type: ignore[union-attr]  as another process's would be
    assert ask(simulator).model.startswith("gpt-4o-mini")


def test_what_names_no_model_or_another_is_left_as_it_is(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=policy_of(CHEAPER, "4 requests / day"))
    for _ in range(3):
        ask(simulator, "o3-mini")
    assert sent(simulator)["model"] == "o3-mini"


def test_a_policy_without_ladders_adds_no_step(instrumented: Instrument) -> None:
    handle = instrumented(policy=Policy("p", (Limit("few", "requests", 2, DAY),)))
    gate = handle._emitter.gate
    assert gate is not None
    assert (gate._ladders, gate._failover, gate.health) == (None, None, None)
