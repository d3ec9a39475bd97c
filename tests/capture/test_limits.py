"""A call under limits: held before it is sent, settled with what it used, or denied and never sent."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

import tollkeeper
from capture.processes import total
from tollkeeper.model import Limit, Match, Window
from tollkeeper.model.ladder import Emergency, Fallback, Ladder, Step
from tollkeeper.policy import Policy
from tollkeeper.simulator import Simulator

DAY = Window("day")
MESSAGES = [{"role": "user", "content": "Hello"}]
CENT = 10_000_000

Instrument = Callable[..., tollkeeper.Instrumentation]


@pytest.fixture
def simulator():
    with Simulator() as started:
        yield started


def ask(client: openai.OpenAI, **options: object) -> object:
    asked = {"model": "gpt-4o-mini", "messages": MESSAGES, "max_completion_tokens": 64, **options}
    return client.chat.completions.create(**asked)


def client(simulator: Simulator, **options: object) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", **options)


def test_a_call_too_many_is_denied_with_the_sdks_own_error(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=Policy("p", (Limit("few", "requests", 2, DAY, per=("tenant",)),)))
    app = client(simulator)
    with tollkeeper.tags(tenant="acme"):
        ask(app), ask(app)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(app)
    denied = caught.value
    assert isinstance(denied, tollkeeper.Denied)
    assert (denied.limit.name, denied.scope, denied.used, denied.amount) == ("few", {"tenant": "acme"}, 2, 2)
    assert denied.response.status_code == denied.status_code == 429
    assert 0 < int(denied.response.headers["retry-after"]) <= 86_400
    assert "limit 'few' (2 requests / day per tenant) for tenant 'acme' is used up; used 2 requests" in str(denied)
    assert pickle.loads(pickle.dumps(denied)).denial == denied.denial
    with tollkeeper.tags(tenant="other"):
        ask(app)

    assert len(simulator.requests) == 3, "what is denied is not sent"


def test_whoever_wants_to_is_told_as_a_limit_fills(instrumented: Instrument, simulator: Simulator) -> None:
    """On a thread of its own, sync or async."""
    heard: list[tollkeeper.Crossing] = []

    async def told(crossing: tollkeeper.Crossing) -> None:
        await asyncio.sleep(0)
        heard.append(crossing)

    few = Limit("few", "requests", 4, DAY, per=("tenant",), at=(50, 100))
    handle = instrumented(policy=Policy("p", (few,)), on_alert=told)
    app = client(simulator)
    with tollkeeper.tags(tenant="acme"):
        for _ in range(4):
            ask(app)
    handle.flush()
    assert [(each.percent, each.severity) for each in heard] == [(50, "info"), (100, "critical")]
    assert heard[0].message == "limit 'few' (4 requests / day per tenant) for tenant 'acme' is at 50 %: used 2 requests"
    assert heard[1].status.scope == {"tenant": "acme"}


def test_a_budget_is_charged_what_the_call_cost(
    instrumented: Instrument, simulator: Simulator, calls: list[tollkeeper.Call]
) -> None:
    handle = instrumented(policy=Policy("p", (Limit("daily", "usd", CENT, DAY),)))
    ask(client(simulator))
    handle.flush()
    (status,) = handle.limits()
    assert calls[0].cost is not None
    assert (status.used, status.held) == (calls[0].cost.nano_usd, 0)


def test_no_more_is_spent_than_the_budget_however_many_ask_at_once(
    instrumented: Instrument, simulator: Simulator, calls: list[tollkeeper.Call]
) -> None:
    handle = instrumented(policy=Policy("p", (Limit("daily", "usd", CENT // 20, DAY),)))
    app = client(simulator, max_retries=0)
    denied = 0

    def one(_: int) -> bool:
        try:
            ask(app)
        except tollkeeper.Denied:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        answered = sum(pool.map(one, range(200)))
    handle.flush()
    spent = sum(call.cost.nano_usd for call in calls if call.cost is not None)
    (status,) = handle.limits()
    assert answered == len(calls) < 200
    assert spent == status.used <= CENT // 20
    assert denied == 0


def test_a_call_that_names_no_most_output_is_given_one(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=Policy("p", (Limit("daily", "usd", CENT, DAY, unbounded=77),)))
    client(simulator).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert simulator.requests[-1].json()["max_completion_tokens"] == 77


def test_what_asks_for_more_answers_than_can_be_told_is_not_given_a_most(
    instrumented: Instrument, simulator: Simulator
) -> None:
    instrumented(policy=Policy("p", (Limit("daily", "output_tokens", 12_000, DAY),)))
    with pytest.raises(tollkeeper.Denied, match="no whole number"):
        client(simulator).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, n=8.0)
    assert simulator.requests == []


def test_what_the_sdk_sends_for_its_betas_is_limited(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(policy=Policy("p", (Limit("few", "requests", 1, DAY),)))
    app = client(simulator)
    app.post("/responses?beta=true", cast_to=object, body={"model": "gpt-4o-mini", "input": "Hello"})
    with pytest.raises(tollkeeper.Denied):
        app.post("/responses?beta=true", cast_to=object, body={"model": "gpt-4o-mini", "input": "Hello"})
    assert handle.limits()[0].used == 1


def test_a_faster_tier_that_is_asked_for_is_held_at_its_price(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=Policy("p", (Limit("each", "usd", 3_000_000),)))
    app = client(simulator)
    ask(app, model="gpt-4o"), ask(app, model="gpt-4o", service_tier="flex")
    with pytest.raises(tollkeeper.Denied) as caught:
        ask(app, model="gpt-4o", service_tier="priority")
    assert caught.value.reason == "call_too_large"


@pytest.mark.parametrize("counters", ["memory:", "sqlite:///{}/counters.db"])
def test_no_number_is_too_large_for_the_counters_of_a_soft_limit(
    counters: str, instrumented: Instrument, simulator: Simulator, tmp_path: Path
) -> None:
    few = Limit("few", "requests", 2, DAY)
    soft = tuple(
        Limit(window.unit, "tokens", 10, window, mode="soft") for window in (DAY, Window("hour", rolling=True))
    )
    instrumented(policy=Policy("p", (few, *soft)), counters=counters.format(tmp_path))
    app = client(simulator)
    for _ in range(2):
        ask(app, max_completion_tokens=10**30)
    with pytest.raises(tollkeeper.Denied):
        ask(app, max_completion_tokens=10**30)


def test_one_that_has_no_price_is_refused_by_a_hard_budget(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=Policy("p", (Limit("daily", "usd", CENT, DAY),)))
    with pytest.raises(openai.RateLimitError, match="needs to know what a call costs.*give the model a price"):
        ask(client(simulator), model="my-own-model")


def test_a_call_may_wait_for_room(instrumented: Instrument, simulator: Simulator) -> None:
    instrumented(policy=Policy("p", (Limit("pace", "requests", 1, Window("second"), wait=5),)))
    app = client(simulator)

    async def asks() -> None:
        async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="any") as other:
            await other.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)

    ask(app), ask(app)
    asyncio.run(asks())
    assert len(simulator.requests) == 3


def test_a_soft_limit_only_warns(
    instrumented: Instrument, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    instrumented(policy=Policy("p", (Limit("few", "requests", 1, DAY, mode="soft"),)))
    app = client(simulator)
    ask(app), ask(app), ask(app)
    assert [record.message for record in caplog.records if "few" in record.message] == [
        "limit 'few' (1 request / day) is at 100 %: used 1 request",
        "limit 'few' (1 request / day) is exceeded: used 2 requests",
    ]


def test_each_attempt_of_the_sdk_is_one_of_its_own(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(policy=Policy("p", (Limit("few", "requests", 2, DAY),)))
    with pytest.raises(tollkeeper.Denied, match="used 2 requests"):
        ask(client(simulator, max_retries=5), extra_headers={"X-Simulator": "status=503,retry-after=0"})
    assert len(simulator.requests) == 2
    assert handle.limits()[0].used == 2


def test_what_was_not_answered_is_charged_at_its_most(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(policy=Policy("p", (Limit("out", "output_tokens", 1000, DAY),)))
    with pytest.raises(openai.APITimeoutError):
        ask(client(simulator, max_retries=1, timeout=0.05), extra_headers={"X-Simulator": "latency=1"})
    assert handle.limits()[0].used == 2 * 64
    with pytest.raises(openai.APIConnectionError):
        ask(openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="any", max_retries=0))
    with pytest.raises(openai.InternalServerError):
        ask(client(simulator, max_retries=0), extra_headers={"X-Simulator": "status=503,retry-after=0"})
    assert handle.limits()[0].used == 2 * 64, "what was refused, or never sent, is not billed"
    for status in (502, 504):
        with pytest.raises(openai.InternalServerError):
            ask(client(simulator, max_retries=0), extra_headers={"X-Simulator": f"status={status},retry-after=0"})
    assert handle.limits()[0].used == 4 * 64, "what a gateway has given up may be"


def test_a_denial_is_seen_as_a_span_and_counted(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(prometheus=True, policy=Policy("p", (Limit("none", "requests", 0, DAY),)))
    with pytest.raises(tollkeeper.Denied):
        ask(client(simulator))
    text = handle.render_metrics()[0].decode()
    assert "tollkeeper_denied_calls_total{" in text
    assert 'tollkeeper_limit_name="none"' in text


def test_a_policy_is_read_from_a_file_and_from_the_environment_variables_of_old(
    instrumented: Instrument, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[[limit]]\nlimit = "1 request / day"\n[[limit]]\nlimit = "1 request / yaer"\n')
    with pytest.raises(tollkeeper.ConfigurationError, match=r"policy.toml:4: limit\[1\].*yaer"):
        instrumented(policy=str(file))
    file.write_text('[[limit]]\nlimit = "1 request / day"\n')
    with instrumented(policy=str(file)) as handle:
        assert [status.limit.name for status in handle.limits()] == ["requests-day"]
    monkeypatch.setenv("MAX_REQUESTS_PER_MINUTE", "7")
    with instrumented() as handle:
        assert [status.limit.amount for status in handle.limits()] == [7]
    monkeypatch.setenv("DAILY_SPENDING_LIMIT", "ten")
    with pytest.raises(tollkeeper.ConfigurationError, match="DAILY_SPENDING_LIMIT is 'ten'"):
        instrumented()


@pytest.mark.parametrize("is_async", [False, True])
def test_an_anthropic_call_is_bounded_by_what_is_sent_of_it(
    instrumented: Instrument, simulator: Simulator, is_async: bool
) -> None:
    """Its SDK leaves objects in the body for what was not given. What is to be cached costs more, up to twice."""
    held: list[int] = []
    handle = instrumented(policy=Policy("p", (Limit("daily", "usd", 10**9, DAY),)))
    url = simulator.base_url("anthropic")
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "x" * 4000}]}
    marked = {**asked, "system": [{"type": "text", "text": "y", "cache_control": {"type": "ephemeral"}}]}
    for body in (asked, marked):
        before = handle.limits()[0].used
        more = {"extra_headers": {"X-Simulator": "status=0"}}
        with pytest.raises(anthropic.APIConnectionError):
            if is_async:
                with_async = anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0)
                asyncio.run(with_async.messages.create(**body, **more))
            else:
                anthropic.Anthropic(base_url=url, api_key="any", max_retries=0).messages.create(**body, **more)
        held.append(handle.limits()[0].used - before)
    plain, cached = held
    assert 4000 * 3_000 < plain < 6000 * 3_000, "$3 per million tokens"
    assert cached > plain * 19 // 10, "an hour in the cache costs twice as much"


def test_whether_a_call_may_go_can_be_asked_beforehand(instrumented: Instrument, simulator: Simulator) -> None:
    assert tollkeeper.check("gpt-4o-mini") == (True, *[None] * 7, (), ())
    limits = Limit("few", "requests", 2, DAY, per=("tenant",)), Limit("each", "usd", CENT)
    instrumented(policy=Policy("p", limits))
    app = client(simulator)
    with tollkeeper.tags(tenant="acme"):
        ask(app)
        first = tollkeeper.check("gpt-4o-mini", input_tokens=100, output_tokens=100)
        assert first[:4] == (True, 1, 2, 1)
        assert first.reset_at is not None and first.reset_at.hour == 0
        assert tollkeeper.check("gpt-4o", input_tokens=100_000, output_tokens=0).reason == "call_too_large"
        assert tollkeeper.check("gpt-4o").message is not None
        ask(app)
        second = tollkeeper.check("gpt-4o-mini", input_tokens=1, output_tokens=1)
        assert (second.can_call, second.remaining, second.limit, second.reason) == (False, 0, "few", "used_up")
    assert tollkeeper.check("gpt-4o-mini", input_tokens=1, output_tokens=1, tenant="other")[:4] == (True, 0, 2, 2)


LADDER = Ladder("few", (Step(50, "cap_output", tokens=10),))


@pytest.mark.parametrize("more", [{}, {"ladders": (LADDER,)}, {"emergency": Emergency(tokens=10)}])
@pytest.mark.parametrize("on_unavailable", ["deny", "local", "allow"])
def test_where_counters_are_away_the_limits_say_what_becomes_of_calls(
    instrumented: Instrument, simulator: Simulator, more: dict[str, Any], on_unavailable: str
) -> None:
    few = Limit("few", "requests", 3, DAY, on_unavailable=on_unavailable)  # type: ignore[arg-type]
    instrumented(policy=Policy("p", (few,), **more), counters="redis://127.0.0.1:9/0")
    app, answered = client(simulator), 0
    for _ in range(5):
        try:
            ask(app)
            answered += 1
        except tollkeeper.Denied as denied:
            assert denied.reason == "unavailable"
    assert answered == (5 if on_unavailable == "allow" else 0)


def test_no_alternative_goes_without_a_hold_of_its_own(instrumented: Instrument, simulator: Simulator) -> None:
    """The first alternative is denied by a limit of its own; what the second uses is held and booked all the same."""
    everything, dear = Limit("all", "requests", 6, DAY), Limit("dear", "requests", 0, DAY, Match(model=("gpt-4.1",)))
    fallback = Fallback(("gpt-4.1", "gpt-4.1-nano"), Match(model=("gpt-4o-mini",)))
    handle = instrumented(policy=Policy("p", (everything, dear), fallbacks=(fallback,)))
    app, answered = client(simulator, max_retries=0), 0
    for _ in range(5):
        with contextlib.suppress(openai.RateLimitError, openai.InternalServerError):
            ask(app, extra_headers={"X-Simulator": "status=503"})
            answered += 1
    used = {status.limit.name: status.used for status in handle.limits()}
    assert len(simulator.requests) == used["all"] == 6, "each attempt is one"
    assert answered == 0


@pytest.mark.parametrize("drop", [0, 1])
def test_a_stream_that_breaks_off_is_booked_at_its_most(
    instrumented: Instrument, simulator: Simulator, drop: int
) -> None:
    """It may be billed in full, though its first chunk never came."""
    handle = instrumented(policy=Policy("p", (Limit("out", "output_tokens", 1000, DAY),)))
    with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
        for _ in ask(client(simulator, max_retries=0), stream=True, extra_headers={"X-Simulator": f"drop={drop}"}):
            pass
    assert handle.limits()[0].used == 64


def test_what_the_app_was_handling_is_not_why_a_call_failed(instrumented: Instrument, simulator: Simulator) -> None:
    handle = instrumented(policy=Policy("p", (Limit("out", "output_tokens", 1000, DAY),)))
    app = client(simulator, max_retries=0, timeout=0.05)
    try:
        raise ConnectionRefusedError("the app's own, of another server")
    except ConnectionRefusedError:
        with pytest.raises(openai.APITimeoutError):
            ask(app, extra_headers={"X-Simulator": "latency=1"})
    assert handle.limits()[0].used == 64


def test_attempts_that_were_never_sent_are_not_charged(instrumented: Instrument) -> None:
    handle = instrumented(policy=Policy("p", (Limit("out", "output_tokens", 1000, DAY),)))
    with pytest.raises(openai.APIConnectionError):
        ask(openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="any", max_retries=2))
    assert handle.limits()[0].used == 0


def test_no_hold_is_left_where_only_caps_and_an_emergency_are(instrumented: Instrument, simulator: Simulator) -> None:
    policy = Policy("p", (Limit("each", "usd", CENT),), emergency=Emergency(tokens=10))
    handle = instrumented(policy=policy)
    ask(client(simulator))
    assert handle.gate is not None
    assert handle.gate.in_flight() == ()


@pytest.mark.parametrize("tokens", [-1, True, 1.5, "5", float("nan")])
def test_a_check_asks_for_whole_numbers(tokens: Any) -> None:
    with pytest.raises(ValueError, match="input_tokens is .*; expected a whole number, 0 or more"):
        tollkeeper.check("gpt-4o", input_tokens=tokens)
    with pytest.raises(ValueError, match="output_tokens is"):
        tollkeeper.check("gpt-4o", output_tokens=tokens)


def test_a_check_sees_what_a_ladder_makes_of_a_call(instrumented: Instrument, simulator: Simulator) -> None:
    few = Limit("few", "requests", 10, DAY)
    ladder = Ladder("few", (Step(10, "cap_output", tokens=5), Step(20, "deny")))
    instrumented(policy=Policy("p", (few,), ladders=(ladder,)))
    assert tollkeeper.check("gpt-4o-mini").can_call
    ask(client(simulator))
    assert tollkeeper.check("gpt-4o-mini").steps == ("cap_output",)
    ask(client(simulator))
    found = tollkeeper.check("gpt-4o-mini")
    assert (found.can_call, found.reason, found.limit) == (False, "step", "few")


def test_what_goes_on_in_the_background_is_held_until_it_is_fetched(
    instrumented: Instrument, simulator: Simulator
) -> None:
    handle = instrumented(policy=Policy("p", (Limit("out", "output_tokens", 1000, DAY),)))
    app = client(simulator)
    begun = app.responses.create(model="gpt-4o-mini", input="Hello", background=True, max_output_tokens=500)
    (status,) = handle.limits()
    assert (status.used, status.held) == (500, 500)
    while (answer := app.responses.retrieve(begun.id)).status in ("queued", "in_progress"):
        pass
    (status,) = handle.limits()
    assert answer.usage is not None
    assert (status.used, status.held) == (answer.usage.output_tokens, 0)
    app.responses.retrieve(begun.id)
    assert handle.limits()[0].used == answer.usage.output_tokens


def test_counters_that_are_away_are_seen_and_decided_without(
    instrumented: Instrument, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    few = Limit("few", "requests", 5, DAY, on_unavailable="allow")
    handle = instrumented(prometheus=True, policy=Policy("p", (few,)), counters="redis://127.0.0.1:9/0")
    names = ("tollkeeper_counters_away", "tollkeeper_counters_unanswered_total", "tollkeeper_counters_kept")

    def figures() -> list[float]:
        return [total(handle.render_metrics()[0].decode(), name) for name in names]

    before = figures()
    ask(client(simulator))
    assert [now - then for now, then in zip(figures(), before, strict=True)] == [1, 1, 1]
    with pytest.raises(tollkeeper.Denied, match="cannot be looked up, and says to deny calls then") as denied:
        handle.gate.use(Policy("p", (replace(few, on_unavailable="local"),)))
        ask(client(simulator))
    assert (denied.value.reason, denied.value.retry_after) == ("unavailable", 1.0)
