"""A call that names no most output, under a limit that needs one: every SDK sends the one given, by its own name."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

import tollkeeper
from capture.asking import Asking, askings, helper, parse, plain, raw, stream
from capture.bench import Bench, Records, Way, simulate
from capture.scenarios import HELLO, SURFACES
from tollkeeper.capture import faults
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy

MOST = 77
CAPPED = Policy("p", (Limit("month", "tokens", 10_000_000, Window("month"), unbounded=MOST),))
WHERE: dict[str, tuple[str, ...]] = {
    "openai-chat": ("max_completion_tokens",),
    "openai-responses": ("max_output_tokens",),
    "anthropic": ("max_tokens",),
    "groq": ("max_tokens",),
    "google-genai": ("generationConfig", "maxOutputTokens"),
    "ollama": ("options", "num_predict"),
    "mistralai": ("max_tokens",),
    "cohere": ("max_tokens",),
    "bedrock": ("inferenceConfig", "maxTokens"),
}
NAMED_BY_THE_SURFACE = {"anthropic": 99}
"""Whose calls cannot be made without."""


def sent(simulator: Any, path: tuple[str, ...]) -> Any:
    value = simulator.requests[-1].json()
    for name in path:
        value = value[name]
    return value


@pytest.mark.parametrize(("way", "action"), askings(plain, stream, helper, parse, raw))
async def test_it_is_sent_by_the_sdks_own_name(way: Way, action: Asking, records: Records) -> None:
    surface = way.surface
    with simulate(surface) as simulator, records.watching(surface.package, policy=CAPPED):
        bench = Bench(way, simulator.url)
        try:
            await action(bench)
        except (ValueError, tollkeeper.Denied) as error:  # the simulator's answer need not be what is parsed
            assert not isinstance(error, tollkeeper.Denied)
        assert sent(simulator, WHERE[surface.name]) == NAMED_BY_THE_SURFACE.get(surface.name, MOST)


OPTIONS: list[tuple[str, dict[str, Any], int]] = [
    ("openai-chat", {"max_completion_tokens": 5}, 5),
    ("openai-responses", {"max_output_tokens": 5}, 5),
    ("anthropic", {"max_tokens": 5}, 5),
    ("google-genai", {"config": {"max_output_tokens": 5}}, 5),
    ("google-genai", {"config": {"maxOutputTokens": 5}}, 5),
    ("google-genai", {"config": {"temperature": 0.5}}, MOST),
    ("ollama", {"options": {"num_predict": 5}}, 5),
    ("ollama", {"options": {"num_predict": -1, "seed": 1}}, MOST),
    ("mistralai", {"max_tokens": 5}, 5),
    ("mistralai", {"max_tokens": None}, MOST),
    ("cohere", {"max_tokens": 5}, 5),
    ("openai-chat", {"extra_body": {"max_completion_tokens": None}}, MOST),
]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("name", "options", "expected"), OPTIONS)
async def test_what_the_caller_says_stands_and_his_objects_are_left_alone(
    name: str, options: dict[str, Any], expected: int, is_async: bool, records: Records
) -> None:
    surface = next(each for each in SURFACES if each.name == name)
    pytest.importorskip(surface.module)
    before = copy.deepcopy(options)
    with simulate(surface) as simulator, records.watching(surface.package, policy=CAPPED):
        bench = Bench(Way(surface, is_async), simulator.url)
        await bench.plain(**options)
        assert sent(simulator, WHERE[name]) == expected
    assert options == before


def test_googles_config_objects_are_left_alone(instrumented: Any) -> None:
    genai = pytest.importorskip("google.genai")
    config = genai.types.GenerateContentConfig(temperature=0.5)
    surface = next(each for each in SURFACES if each.name == "google-genai")
    with simulate(surface) as simulator:
        instrumented(policy=CAPPED)
        client = surface.client(simulator.url, False)
        client.models.generate_content(
            model=surface.model, contents=[genai.types.Content(parts=[genai.types.Part(text="Hi")])], config=config
        )
        assert sent(simulator, WHERE["google-genai"]) == MOST
    assert config.max_output_tokens is None


BODIES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("anthropic.claude-3-haiku-20240307-v1:0", {"messages": HELLO}, ("max_tokens",)),
    ("us.amazon.nova-lite-v1:0", {"messages": []}, ("inferenceConfig", "maxTokens")),
    ("amazon.titan-text-lite-v1", {"inputText": "Hi"}, ("textGenerationConfig", "maxTokenCount")),
    ("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi"}, ("max_gen_len",)),
    ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hi"}, ("max_tokens",)),
    ("cohere.command-r-v1:0", {"message": "Hi"}, ("max_tokens",)),
    ("openai.gpt-oss-20b-1:0", {"messages": HELLO}, ("max_completion_tokens",)),
]


@pytest.mark.parametrize(("model", "body", "path"), BODIES)
def test_bedrocks_bodies_are_their_makers_own(model: str, body: Any, path: Any) -> None:
    from tollkeeper.capture.providers.bedrock_cap import capped  # noqa: PLC0415

    params = {"modelId": model, "body": json.dumps(body)}
    changed = capped(False, params, MOST)
    assert changed is not None and params["body"] == json.dumps(body)
    said = json.loads(changed["body"])
    for name in path:
        said = said[name]
    assert said == MOST
    again = capped(False, changed, 9_999)
    assert again is not None and json.loads(again["body"]) == json.loads(changed["body"]), "the smaller one stands"


@pytest.mark.parametrize("body", [b"\xff", "[]", object()])
def test_a_body_that_cannot_be_read_has_no_cap(body: Any) -> None:
    from tollkeeper.capture.providers.bedrock_cap import capped  # noqa: PLC0415

    assert capped(False, {"modelId": "anthropic.claude-3-haiku-20240307-v1:0", "body": body}, MOST) is None
    assert capped(False, {"modelId": "nobody.knows-this-one", "body": "{}"}, MOST) is None


def test_a_call_that_cannot_be_bounded_is_refused_and_says_why(instrumented: Any, caplog: Any) -> None:
    import openai  # noqa: PLC0415

    instrumented(policy=CAPPED)
    client = openai.OpenAI(base_url="http://127.0.0.1:9", api_key="any", max_retries=0)
    with pytest.raises(openai.RateLimitError, match="has a tool that the provider runs") as caught:
        client.responses.create(model="gpt-4o", input="Hi", tools=[{"type": "web_search"}])
    assert isinstance(caught.value, tollkeeper.Denied) and caught.value.reason == "unbounded"
    with pytest.raises(openai.RateLimitError, match="stored at the provider"):
        client.responses.create(prompt={"id": "pmpt_1"})
    with pytest.raises(openai.RateLimitError, match="goes on from something stored"):
        client.responses.create(model="gpt-4o", input="Hi", previous_response_id="resp_1")


def test_an_error_that_cannot_be_made_is_a_denial_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("openai")
    monkeypatch.delattr(openai, "RateLimitError")
    before = faults.counts()
    try:
        tollkeeper.instrument(policy=Policy("p", (Limit("none", "requests", 0, Window("day")),)))
        with pytest.raises(tollkeeper.Denied) as caught:
            openai.OpenAI(base_url="http://127.0.0.1:9", api_key="any").embeddings.create(model="m", input="x")
        assert type(caught.value) is tollkeeper.Denied
        assert faults.counts() != before
    finally:
        tollkeeper.uninstrument()
