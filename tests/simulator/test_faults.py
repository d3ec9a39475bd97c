"""What goes wrong when the knobs say so, and how each SDK sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest
from google import genai

from tollkeeper.simulator import Knobs, Simulator

HELLO = [{"role": "user", "content": "Hello"}]


def openai_client(simulator: Simulator, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", **{"max_retries": 0, **options})


def chat(simulator: Simulator, knobs: str = "", **options: Any) -> Any:
    ask = {"model": "gpt-4o", "messages": HELLO, **options}
    return openai_client(simulator).chat.completions.create(**ask, extra_headers={"X-Simulator": knobs})


def message(simulator: Simulator, knobs: str, **options: Any) -> Any:
    client = anthropic.Anthropic(base_url=simulator.url, api_key="any", max_retries=0)
    ask = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 99, **options}
    return client.messages.create(**ask, extra_headers={"X-Simulator": knobs})


@pytest.mark.parametrize(
    ("call", "status", "error"),
    [
        (chat, 401, openai.AuthenticationError),
        (chat, 403, openai.PermissionDeniedError),
        (chat, 429, openai.RateLimitError),
        (chat, 500, openai.InternalServerError),
        (chat, 503, openai.InternalServerError),
        (message, 401, anthropic.AuthenticationError),
        (message, 429, anthropic.RateLimitError),
        (message, 500, anthropic.InternalServerError),
        (message, 529, anthropic.InternalServerError),
    ],
)
def test_an_error_is_the_providers_own(simulator: Simulator, call: Callable[..., Any], status: int, error: type):
    with pytest.raises(error) as raised:
        call(simulator, f"status={status},retry-after=7")
    assert raised.value.status_code == status
    assert raised.value.request_id.startswith("req_")
    assert raised.value.response.headers.get("retry-after") == ("7" if status in (429, 503, 529) else None)
    assert simulator.requests[0].match == "fault"


def test_sdk_retries_arrive_one_by_one(simulator: Simulator):
    client = openai_client(simulator, max_retries=2)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, extra_headers={"X-Simulator": "status=429,retry-after=0.01"}
        )
    assert [arrival.status for arrival in simulator.requests] == [429, 429, 429]


def test_hanging_up_is_a_connection_error(simulator: Simulator):
    with pytest.raises(openai.APIConnectionError):
        chat(simulator, "status=0")


def openai_stream(simulator: Simulator, knobs: str) -> list[Any]:
    return list(_seen(chat(simulator, knobs, stream=True)))


def anthropic_stream(simulator: Simulator, knobs: str) -> list[Any]:
    return list(_seen(message(simulator, knobs, stream=True)))


def gemini_stream(simulator: Simulator, knobs: str) -> list[Any]:
    client = genai.Client(api_key="any", http_options={"base_url": simulator.url, "headers": {"X-Simulator": knobs}})
    return list(_seen(client.models.generate_content_stream(model="gemini-2.0-flash", contents="Hello")))


def ollama_stream(simulator: Simulator, knobs: str) -> list[Any]:
    client = ollama.Client(host=simulator.url, headers={"X-Simulator": knobs})
    return list(_seen(client.chat(model="llama3.2", messages=HELLO, stream=True)))


def _seen(stream: Any) -> Any:
    """The stream's items, and the error that ended it as the last one."""
    try:
        yield from stream
    except Exception as error:  # noqa: BLE001 - each SDK raises its own kind, and the tests look at it
        yield error


STREAMS = [openai_stream, anthropic_stream, gemini_stream, ollama_stream]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("after", [0, 3])
def test_a_stream_is_cut_after_its_events(simulator: Simulator, stream: Callable[..., list[Any]], after: int):
    *items, error = stream(simulator, f"drop={after},chunks=8")
    assert isinstance(error, Exception)
    assert len(items) <= after
    assert (simulator.requests[0].pieces, simulator.requests[0].finished) == (after, False)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_can_fail_with_an_event(simulator: Simulator, stream: Callable[..., list[Any]]):
    *items, error = stream(simulator, "fail=4,status=529,chunks=8")
    assert isinstance(error, Exception)
    assert "overloaded" in str(error)
    assert items
    assert simulator.requests[0].pieces == 5


@pytest.mark.parametrize("after", [0, 3])
def test_a_stream_stalls_until_its_reader_leaves(simulator: Simulator, after: int):
    request = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    turned = {"X-Simulator": f"stall={after},chunks=8"}
    url = simulator.url + "/v1/chat/completions"
    with httpx.Client(timeout=httpx.Timeout(5, read=0.2)) as client:
        with client.stream("POST", url, json=request, headers=turned) as answer, pytest.raises(httpx.ReadTimeout):
            answer.read()
        assert client.post(url, json=request, headers={"X-Simulator": "stall=99,chunks=8"}).text.endswith("[DONE]\n\n")
    assert [(arrival.pieces, arrival.finished) for arrival in simulator.requests][:1] == [(after, False)]


def test_rates_are_shares_and_repeat_with_the_seed():
    def outcomes() -> list[int | None]:
        with Simulator(seed=5, error_rate=0.5, error_status=(503,)) as simulator:
            for _ in range(40):
                httpx.post(simulator.url + "/v1/embeddings", json={"model": "m", "input": "x"})
            return [arrival.status for arrival in simulator.requests]

    first = outcomes()
    assert first == outcomes()
    assert 8 < first.count(503) < 32


def test_none_turns_the_shares_off():
    with Simulator(seed=5, error_rate=1.0) as simulator:
        assert chat(simulator, "none").usage
        with pytest.raises(openai.APIError):
            chat(simulator)


def test_a_share_of_streams_is_cut_inside():
    with Simulator(seed=5, drop_rate=1.0) as simulator:
        *items, error = openai_stream(simulator, "")
        assert isinstance(error, Exception)
        assert simulator.requests[0].pieces >= 1


def test_latency_and_chunk_delay_take_their_time(simulator: Simulator):
    began = time.perf_counter()
    stream = chat(simulator, "latency=0.05,chunk-delay=0.02,chunks=3", stream=True)
    assert time.perf_counter() - began >= 0.05
    assert len(list(stream)) == 5  # role, three pieces, finish
    assert time.perf_counter() - began >= 0.05 + 5 * 0.02


def test_usage_can_be_left_out(simulator: Simulator):
    assert chat(simulator, "usage=none").usage is None
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert all(chunk.choices for chunk in chat(simulator, "usage=none", **options))
    assert ollama_stream(simulator, "usage=none")[-1].eval_count is None
    assert all(chunk.usage_metadata is None for chunk in gemini_stream(simulator, "usage=none"))


def test_counts_can_be_chosen(simulator: Simulator):
    knobs = "input-tokens=5000,cached-tokens=4096,output-tokens=300,reasoning-tokens=128"
    usage = chat(simulator, knobs).usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (5000, 4096)
    assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (300, 128)


def test_a_parameter_can_be_refused(simulator: Simulator):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        chat(simulator, "refuse=stream_options", **options)
    assert list(chat(simulator, "refuse=stream_options", stream=True))


def test_only_known_keys_are_taken():
    with Simulator(keys=["right"]) as simulator:
        for key, error in (("right", None), ("wrong", openai.AuthenticationError)):
            client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key=key, max_retries=0)
            if error is None:
                assert client.chat.completions.create(model="gpt-4o", messages=HELLO)
            else:
                with pytest.raises(error):
                    client.chat.completions.create(model="gpt-4o", messages=HELLO)


@pytest.mark.parametrize("knobs", ["latncy=1", "drop=many", "usage=perhaps"])
def test_a_knob_that_cannot_be_read_is_an_error_that_names_it(simulator: Simulator, knobs: str):
    name = knobs.partition("=")[0]
    with pytest.raises(openai.BadRequestError, match=name):
        chat(simulator, knobs)
    with pytest.raises(ValueError, match=name):
        Knobs().changed({name: knobs.partition("=")[2]})
