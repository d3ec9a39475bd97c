"""A provider fails: another model, or another endpoint, answers; and it is known how each of them does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import anthropic
import openai
import pytest

import tollkeeper
from clocks import SecondsClock
from tollkeeper.capture.fleet_health import Told
from tollkeeper.capture.health import KEPT_MODELS, OPEN_SECONDS, OPENS_AFTER, ProviderHealth
from tollkeeper.model import Call
from tollkeeper.model.health import Health
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_toml
from tollkeeper.simulator import Simulator

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
DOWN = {"X-Simulator": "status=503,retry-after=0"}

Instrument = Callable[..., tollkeeper.Instrumentation]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


@pytest.fixture
def backup() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


def policy_of(backup: Simulator, more: str = "", to: str = '["spare:llama-3.3-70b-versatile"]') -> Policy:
    said = f"""
        [[limit]]
        name = "few"
        limit = "100 requests / day"
        [[endpoint]]
        name = "spare"
        base_url = "{backup.url}/v1"
        api_key_env = "SPARE_KEY"
        provider = "groq"
        [[fallback]]
        to = {to}
        {more}
    """
    return read_toml(said, "policy.toml")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARE_KEY", "sk-spare")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-app")


def client(simulator: Simulator, **options: Any) -> openai.OpenAI:
    said: dict[str, Any] = {"api_key": "sk-app", "max_retries": 0, "default_headers": {"X-Secret": "app"}, **options}
    return openai.OpenAI(base_url=f"{simulator.url}/v1", **said)


def ask(app: openai.OpenAI, **options: Any) -> Any:
    return app.chat.completions.create(**{"model": "gpt-4o", "messages": MESSAGES, **options})


def test_another_endpoint_answers(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    handle = instrumented(policy=policy_of(backup), prometheus=True)
    answer = ask(client(simulator), extra_headers=DOWN, temperature=0.5)
    assert type(answer) is openai.types.chat.ChatCompletion
    assert answer.model == "llama-3.3-70b-versatile"
    handle.flush()
    (call,) = calls
    assert (call.provider, call.request_model, call.error_type) == ("groq", "llama-3.3-70b-versatile", None)
    assert call.endpoint == "127.0.0.1/v1/chat/completions"
    assert call.parameters["tollkeeper.asked.model"] == "gpt-4o"
    assert call.parameters["tollkeeper.steps"] == ("fallback",)
    assert call.parameters["tollkeeper.fallback.reason"] == "5xx"
    assert call.cost is not None, "it is priced as Groq's"
    assert handle.limits()[0].used == 2, "each attempt is one"
    text = handle.render_metrics()[0].decode()
    assert 'tollkeeper_step="fallback"' in text


class _Witness(BaseHTTPRequestHandler):
    """Answers with an error, and keeps the headers: the simulator does not show keys."""

    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *said: object) -> None:
        """Nothing is logged."""


@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_of_the_apps_own_account_goes_there(
    instrumented: Instrument, simulator: Simulator, is_async: bool
) -> None:
    _Witness.seen.clear()
    with HTTPServer(("127.0.0.1", 0), _Witness) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        endpoint = f'[[endpoint]]\nname = "spare"\nbase_url = "{url}"\napi_key_env = "SPARE_KEY"\n'
        said = endpoint + '[[fallback]]\nto = "spare:x"\n'
        instrumented(policy=read_toml(said, "policy.toml"))
        headers = {**DOWN, "X-Private": "1", "x-tollkeeper-tenant": "acme"}
        with pytest.raises(openai.InternalServerError):
            if is_async:
                asyncio.run(_ask_async(simulator, headers))
            else:
                ask(client(simulator), extra_headers=headers)
        server.shutdown()
    (there,) = _Witness.seen
    assert there["authorization"] == "Bearer sk-spare"
    assert there["x-tollkeeper-tenant"] == "acme"
    assert {"x-secret", "x-private", "openai-organization"}.isdisjoint(there)
    here = {name.lower() for name in simulator.requests[-1].headers}
    assert {"x-secret", "x-private", "openai-organization"} <= here


async def _ask_async(simulator: Simulator, headers: dict[str, str]) -> None:
    said: dict[str, Any] = {"api_key": "sk-app", "max_retries": 0, "default_headers": {"X-Secret": "app"}}
    async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", **said) as app:
        await app.chat.completions.create(model="gpt-4o", messages=MESSAGES, extra_headers=headers)


def test_the_sdks_own_retries_come_first(instrumented: Instrument, simulator: Simulator, backup: Simulator) -> None:
    handle = instrumented(policy=policy_of(backup))
    ask(client(simulator, max_retries=2), extra_headers=DOWN)
    assert (len(simulator.requests), len(backup.requests)) == (3, 1)
    assert handle.limits()[0].used == 4


def test_a_stream_goes_elsewhere_before_its_first_chunk(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    handle = instrumented(policy=policy_of(backup))
    stream = ask(client(simulator), stream=True, extra_headers=DOWN)
    assert isinstance(stream, openai.Stream)
    assert {chunk.model for chunk in stream} == {"llama-3.3-70b-versatile"}
    handle.flush()
    assert (calls[0].stream, calls[0].provider, calls[0].usage_source) == (True, "groq", "provider")
    with pytest.raises(openai.APIError):
        list(ask(client(simulator), stream=True, extra_headers={"X-Simulator": "fail=2"}))
    assert len(backup.requests) == 1, "a stream that has begun is not begun anew"


def test_async_calls_and_raw_responses_go_elsewhere(
    instrumented: Instrument, simulator: Simulator, backup: Simulator
) -> None:
    instrumented(policy=policy_of(backup))

    async def asks() -> str:
        async with openai.AsyncOpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0) as app:
            answer = await app.chat.completions.create(model="gpt-4o", messages=MESSAGES, extra_headers=DOWN)
            return answer.model

    assert asyncio.run(asks()) == "llama-3.3-70b-versatile"
    raw = client(simulator).chat.completions.with_raw_response.create(
        model="gpt-4o", messages=MESSAGES, extra_headers=DOWN
    )
    assert raw.parse().model == "llama-3.3-70b-versatile"


@pytest.mark.parametrize(
    ("knobs", "kind"),
    [("status=429,retry-after=0", "429"), ("status=500", "5xx"), ("latency=1", "timeout"), ("status=0", "connection")],
)
def test_each_way_to_fail(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call], knobs: str, kind: str
) -> None:
    handle = instrumented(policy=policy_of(backup, f'on = ["{kind}"]'))
    ask(client(simulator, timeout=0.2 if kind == "timeout" else 30), extra_headers={"X-Simulator": knobs})
    handle.flush()
    assert calls[0].parameters["tollkeeper.fallback.reason"] == kind


def test_only_what_the_fallback_is_for_goes_elsewhere(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    handle = instrumented(policy=policy_of(backup, 'on = ["429"]\nmatch = { model = "gpt-4o" }'))
    with pytest.raises(openai.InternalServerError):
        ask(client(simulator), extra_headers=DOWN)
    with pytest.raises(openai.BadRequestError):
        ask(client(simulator), extra_headers={"X-Simulator": "status=400"})
    with pytest.raises(openai.RateLimitError):
        ask(client(simulator), model="o3-mini", extra_headers={"X-Simulator": "status=429"})
    assert backup.requests == []
    handle.flush()
    assert [call.request_model for call in calls] == ["gpt-4o", "gpt-4o", "o3-mini"]


def test_where_all_fail_the_last_ones_error_is_the_callers(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    backup.stop()
    handle = instrumented(policy=policy_of(backup, to='["spare:a", "spare:b"]'))
    with pytest.raises(openai.APIConnectionError):
        ask(client(simulator), extra_headers=DOWN)
    handle.flush()
    assert (calls[0].provider, calls[0].request_model, calls[0].error_type) == ("groq", "b", "APIConnectionError")
    assert handle.limits()[0].used == 3


def test_an_alternative_that_a_limit_has_no_room_for_is_passed_over(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    limit = '[[limit]]\nname = "no groq"\nlimit = "0 requests / day"\nmatch = { provider = "groq" }'
    handle = instrumented(policy=policy_of(backup, limit))
    with pytest.raises(openai.InternalServerError):
        ask(client(simulator), extra_headers=DOWN)
    handle.flush()
    assert (calls[0].provider, calls[0].request_model) == ("openai", "gpt-4o"), "it is the error of what was asked"
    assert "tollkeeper.steps" not in calls[0].parameters
    assert backup.requests == []


def test_an_endpoint_without_its_key_is_not_asked(
    instrumented: Instrument,
    simulator: Simulator,
    backup: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("SPARE_KEY")
    instrumented(policy=policy_of(backup))
    with pytest.raises(openai.InternalServerError):
        ask(client(simulator), extra_headers=DOWN)
    assert "endpoint 'spare' is not used: SPARE_KEY is not set" in caplog.text


def test_anthropics_calls_go_to_another_model_of_theirs(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    said = f"""
        [[endpoint]]
        name = "twin"
        base_url = "{backup.base_url("anthropic")}"
        api = "anthropic"
        provider = "anthropic"
        [[endpoint]]
        name = "groq"
        base_url = "{backup.url}"
        [[fallback]]
        to = ["groq:llama", "twin:claude-haiku-4-5"]
    """
    handle = instrumented(policy=read_toml(said, "policy.toml"))
    app = anthropic.Anthropic(base_url=simulator.base_url("anthropic"), api_key="any", max_retries=0)
    answer = app.messages.create(model="claude-opus-4-5", max_tokens=9, messages=MESSAGES, extra_headers=DOWN)
    assert type(answer) is anthropic.types.Message
    assert answer.model.startswith("claude-haiku-4-5")
    handle.flush()
    assert calls[0].request_model == "claude-haiku-4-5"
    assert [request.path for request in backup.requests] == ["/v1/messages"]


def test_an_open_circuit_sends_calls_elsewhere_at_once(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    handle = instrumented(policy=policy_of(backup))
    app = client(simulator)
    for _ in range(OPENS_AFTER):
        ask(app, extra_headers=DOWN)
    before = len(simulator.requests)
    ask(app)
    assert len(simulator.requests) == before
    handle.flush()
    assert calls[-1].parameters["tollkeeper.fallback.reason"] == "open_circuit"
    openai_health, groq = sorted(handle.health(), key=lambda each: each.provider, reverse=True)
    assert (openai_health.model, openai_health.success, openai_health.circuit) == ("gpt-4o", 0.0, "open")
    assert (groq.provider, groq.success, groq.circuit, groq.calls) == ("groq", 1.0, "closed", OPENS_AFTER + 1)
    assert groq.latency_p50 is not None
    assert groq.latency_p50 > 0


def test_what_fails_in_all_apps_is_tried_once_and_else_goes_elsewhere(
    instrumented: Instrument, simulator: Simulator, backup: Simulator, calls: list[Call]
) -> None:
    """By the sidecar's word, though this process has seen no failure; with the first answer it is asked again."""
    handle = instrumented(policy=policy_of(backup))
    assert handle.gate is not None
    failing = Health("openai", "gpt-4o", 100, 0.1, 1.0, 2.0, "open")
    handle.gate.fleet.use(Told("2026-01-01T00:00:00Z", [(failing, True)]))
    app = client(simulator)
    ask(app, extra_headers=DOWN)
    assert len(simulator.requests) == 1, "it was tried"
    ask(app)
    assert len(simulator.requests) == 1
    handle.flush()
    assert calls[-1].parameters["tollkeeper.fallback.reason"] == "open_circuit"
    assert handle.gate.health is not None
    handle.gate.health.answered("openai", "gpt-4o", 0.1)
    ask(app)
    assert len(simulator.requests) == 2


def test_an_open_circuit_passes_over_what_no_limit_has_room_for(
    instrumented: Instrument, simulator: Simulator, backup: Simulator
) -> None:
    more = """
        [[limit]]
        name = "mini"
        limit = "0 requests / day"
        match = { model = "gpt-4o-mini" }
    """
    to = '["gpt-4o-mini", "spare:llama-3.3-70b-versatile"]'
    instrumented(policy=policy_of(backup, more, to))
    app = client(simulator)
    answers = [ask(app, extra_headers=DOWN).model for _ in range(OPENS_AFTER + 3)]
    assert len(backup.requests) == len(answers), "the spare one answers before the circuit opens, and after"


def test_a_circuit_opens_is_tried_and_closes() -> None:
    clock = SecondsClock()
    health = ProviderHealth(clock)
    for _ in range(OPENS_AFTER - 1):
        health.failed("openai", "gpt-4o")
    assert health.allows("openai", "gpt-4o")
    health.failed("openai", "gpt-4o")
    assert not health.allows("openai", "gpt-4o")
    assert health.allows("openai", "gpt-4o-mini"), "each model by itself"
    clock.now += OPEN_SECONDS
    assert health.read()[0].circuit == "half_open"
    assert [health.allows("openai", "gpt-4o") for _ in range(3)] == [True, False, False], "one tries it"
    health.failed("openai", "gpt-4o")
    clock.now += OPEN_SECONDS - 1
    assert not health.allows("openai", "gpt-4o")
    clock.now += 1
    assert health.allows("openai", "gpt-4o")
    health.answered("openai", "gpt-4o", 0.3)
    assert health.read()[0].circuit == "closed"
    assert all(health.allows("openai", "gpt-4o") for _ in range(3))


def test_health_is_of_the_newest_calls_and_bounded() -> None:
    clock = SecondsClock()
    health = ProviderHealth(clock)
    for number in range(1, 101):
        health.answered("openai", "m", number / 10)
    found = health.of("openai", "m")
    assert found is not None
    assert (found.calls, found.success, found.latency_p50, found.latency_p95) == (100, 1.0, 5.0, 9.5)
    clock.now += 601
    assert health.of("openai", "m") == found._replace(calls=0, success=None, latency_p50=None, latency_p95=None)
    for number in range(3 * KEPT_MODELS):
        clock.now += 1
        health.failed("openai", f"m{number}")
    assert len(health.read()) <= KEPT_MODELS
    assert health.of("openai", f"m{3 * KEPT_MODELS - 1}") is not None
