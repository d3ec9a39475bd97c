"""The most that a request can use is never less than what the provider has counted in the end."""

from __future__ import annotations

import base64
import enum
import json
import random
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.recordings import exchange, params
from tollkeeper.capture import faults
from tollkeeper.capture.body import AROUND, Reading, definition_size
from tollkeeper.capture.demand import HIDDEN, IMAGES, NO_SAY, TOOLS, demand_of, is_open_ended
from tollkeeper.capture.providers import anthropic, bedrock, cohere_answers, mistralai_answers, ollama, openai
from tollkeeper.model import Call
from tollkeeper.pricing.bound import Demand

PROVIDERS = {"gemini": "gcp.gemini", "vertex": "gcp.vertex_ai", "bedrock": "aws.bedrock", "azure": "azure.ai.openai"}
READERS = {
    "bedrock.converse": bedrock.read_converse_request,
    "bedrock.invoke": bedrock.read_parameters_of,
    "anthropic.messages": anthropic.read_request,
    "ollama.chat": ollama.read_request,
    "ollama.generate": ollama.read_request,
    "mistral.chat": mistralai_answers.read_request,
    "cohere.chat.v2": cohere_answers.read_request,
    "cohere.generate.v1": cohere_answers.read_request,
}
SPOKEN = ("transcriptions", "speech", "images", "realtime", "live", "batches", "predict")
UNTOLD = (
    "tool that the provider runs", "it holds", "stored", "does more than answer once", "makes pictures", "reasoning is",
)  # fmt: skip


def reader(surface: str) -> Any:
    if surface in READERS:
        return READERS[surface]
    return openai.read_responses_request if "responses" in surface else openai.read_chat_request


def operation(surface: str) -> Any:
    if "embed" in surface:
        return "embeddings"
    return "text_completion" if "completions" in surface and "chat" not in surface else "chat"


def call(model: str | None = "gpt-4o-mini", provider: str = "openai", kind: Any = "chat") -> Call:
    return Call(
        id="x", provider=provider, operation=kind, started_at=0, request_model=model, endpoint="host/path",
        server_address="host", server_port=443, stream=False, tags={},
    )  # fmt: skip


def is_counted(row: dict[str, Any]) -> bool:
    surface = row["surface"]
    return row["truth"]["input_tokens_all"] is not None and not any(word in surface for word in SPOKEN)


def demand_of_row(row: dict[str, Any], body: Mapping[str, Any]) -> Demand:
    asked = call(
        body.get("model") or row["request_model"],
        PROVIDERS.get(row["provider"], row["provider"]),
        operation(row["surface"]),
    )
    reader(row["surface"])(asked, body)
    return demand_of(asked, body)


def check(row: dict[str, Any], demand: Demand) -> None:
    truth = row["truth"]
    if demand.input_tokens is None:
        assert demand.why is not None and any(reason in demand.why for reason in UNTOLD)
    else:
        assert demand.input_tokens >= truth["input_tokens_all"]
    if demand.output_tokens is not None and truth["output_tokens_all"] is not None:
        assert demand.output_tokens * demand.choices >= truth["output_tokens_all"]


@pytest.mark.parametrize("row", params(is_counted))
def test_what_providers_counted_is_never_more(row: dict[str, Any] | None, shared: Any) -> None:
    assert row is not None
    body = exchange(row)["request"]["body"]
    if not isinstance(body, dict) or not body:
        pytest.skip("the recording has no request body")
    check(row, demand_of_row(row, body))


def test_most_recorded_requests_have_a_bound(shared: Any) -> None:
    rows = [each.values[0] for each in params(is_counted)]
    bodies = [(row, exchange(row)["request"]["body"]) for row in rows]
    demands = [demand_of_row(row, body) for row, body in bodies if isinstance(body, dict) and body]
    assert sum(demand.input_tokens is not None for demand in demands) > 0.7 * len(demands)


def as_google_sdk(body: dict[str, Any]) -> dict[str, Any]:
    """A recorded request as the SDK's methods are called: with its objects."""
    types = pytest.importorskip("google.genai.types")
    config: dict[str, Any] = {**(body.get("generationConfig") or {})}
    for name in ("systemInstruction", "tools", "toolConfig", "safetySettings", "cachedContent"):
        if name in body:
            config[name] = body[name]
    config.pop("responseFormat", None)
    contents = [types.Content.model_validate(each) for each in body["contents"]]
    return {"contents": contents, "config": types.GenerateContentConfig.model_validate(config)}


@pytest.mark.parametrize("row", params(lambda row: "generateContent" in row["surface"] and is_counted(row)))
def test_what_google_counted_is_never_more_than_its_sdks_objects_say(row: dict[str, Any] | None, shared: Any) -> None:
    assert row is not None
    kwargs = {"model": row["request_model"], **as_google_sdk(exchange(row)["request"]["body"])}
    asked = call(row["request_model"], PROVIDERS[row["provider"]], "generate_content")
    check(row, demand_of(asked, kwargs))


# Texts


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A byte-level BPE tokenizer, as GPT, Llama 3 and others have, trained on what is at hand."""
    tokenizers = pytest.importorskip("tokenizers", reason="it comes with the cohere SDK")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=2_000,
        special_tokens=["<|start|>", "<|end|>", "<|message|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(
        [str(demand_of.__doc__), json.dumps(list(HIDDEN)), Path(__file__).read_text(encoding="utf-8")], trainer
    )
    return made


MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text()}), max_size=5
)


@settings(max_examples=150)
@given(messages=MESSAGES)
def test_texts_have_no_more_tokens_than_bytes(tokenizer: Any, messages: list[dict[str, str]]) -> None:
    """What a chat template makes of the messages, counted by a real tokenizer."""
    written = "".join(
        f"<|start|>{message['role']}<|message|>{message['content'].encode('utf-8', 'replace').decode()}<|end|>"
        for message in messages
    )
    reading = Reading()
    reading.read(messages)
    assert reading.size >= len(tokenizer.encode(written + "<|start|>assistant<|message|>").ids) - 3


@given(text=st.text())
def test_a_text_is_its_bytes(text: str) -> None:
    reading = Reading()
    reading.read(text)
    assert reading.size == AROUND + len(text.encode("utf-8", "replace"))


NAMES = [
    "type", "tools", "input", "source", "image", "images", "audio", "input_audio", "inline_data", "mime_type", "format",
    "document", "video", "response_modalities", "token_budget", "edits",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(NAMES), inner),
    max_leaves=30,
)


@given(
    body=st.dictionaries(
        st.text()
        | st.sampled_from(["messages", "prompt", "config", "reasoning", "modalities", "n", "prediction", *NAMES]),
        JSON,
    )
)
def test_any_json_has_a_bound_or_a_reason(body: dict[str, Any]) -> None:
    before = faults.counts()
    demand = demand_of(call(), body)
    assert faults.counts() == before
    assert (demand.input_tokens is None) == (demand.why is not None)
    if demand.input_tokens is not None:
        texts = sum(len(text.encode("utf-8", "replace")) for text in texts_of(body))
        assert demand.input_tokens >= texts


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


# What is no text

LARGE = "QUJD" * 10_000
TEXT_ONLY = demand_of(call(), {"messages": [{"role": "user", "content": "Hi"}]})


def ask(content: Any, model: str = "gpt-4o-mini", **more: Any) -> Demand:
    return demand_of(call(model), {"model": model, "messages": [{"role": "user", "content": content}], **more})


PICTURES = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{LARGE}", "detail": "high"}},
    {"type": "input_image", "image_url": f"data:image/png;base64,{LARGE}"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": LARGE}},
    {"image": {"format": "png", "source": {"bytes": b"x" * 40_000}}},
    {"inline_data": {"mime_type": "image/png", "data": b"x" * 40_000}},
]


@pytest.mark.parametrize("part", PICTURES)
@pytest.mark.parametrize(("model", "most"), [("gpt-4o-mini", 50_000), ("claude-opus-4-8", 8_900), ("gpt-5.6", 50_000)])
def test_a_picture_is_what_its_model_makes_of_it(part: Any, model: str, most: int) -> None:
    """Neither its bytes, of which there may be millions, nor nothing."""
    one, two = ask([part], model), ask([part, part], model)
    assert one.input_tokens is not None and two.input_tokens is not None
    assert most <= two.input_tokens - one.input_tokens <= most + 200


def test_a_picture_is_unbounded_where_nobody_says() -> None:
    assert IMAGES[-1] == ("*", None)
    demand = ask([PICTURES[0]], "nobody-knows-this-one")
    assert demand.input_tokens is None and "image" in str(demand.why)


def test_what_only_looks_like_a_picture_is_text() -> None:
    """Arguments of a tool that was called, and schemas, are written out for the model."""
    picture = {"type": "image", "source": {"data": LARGE}}
    for content in (
        [{"type": "tool_use", "name": "draw", "input": picture}],
        [{"function_call": {"name": "draw", "args": picture}}],
        [{"function_response": {"name": "draw", "response": picture}}],
    ):
        assert (ask(content).input_tokens or 0) > len(LARGE)
    assert (ask("Hi", tools=[{"type": "function", "function": {"parameters": picture}}]).input_tokens or 0) > len(LARGE)


UNKNOWN: list[Any] = [
    {"type": "input_file", "file_id": "file-1"},
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": LARGE}},
    {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
    {"document": {"format": "pdf", "source": {"bytes": b"x"}}},
    {"video": {"format": "mp4", "source": {"bytes": b"x"}}},
    {"file_data": {"file_uri": "gs://x/y", "mime_type": "text/plain"}},
    {"inline_data": {"mime_type": "application/pdf", "data": b"x"}},
    {"inline_data": {"mime_type": "audio/flac", "data": b"x"}},
    {"inlineData": {"mimeType": "video/mp4", "data": "x"}},
    {"type": "input_audio", "input_audio": {"data": "x", "format": "ogg"}},
    {"type": "item_reference", "id": "msg_1"},
    object(),
    (each for each in ()),
    bytearray(b"x"),
]


@pytest.mark.parametrize("part", UNKNOWN, ids=lambda part: str(part) if type(part) is dict else type(part).__name__)
def test_what_nobody_can_tell_has_no_bound(part: Any) -> None:
    demand = ask([part])
    assert demand.input_tokens is None and demand.why is not None


def test_plain_documents_and_plain_sound_have_one() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": LARGE}}
    assert (ask([document]).input_tokens or 0) > len(LARGE)
    sound = {"type": "input_audio", "input_audio": {"data": LARGE, "format": "wav"}}
    heard = ask([sound])
    assert (heard.input_tokens or 0) > len(LARGE) and heard.has_audio
    assert not TEXT_ONLY.has_audio
    assert ask("Hi", modalities=["text", "audio"], audio={"voice": "alloy"}).has_audio


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"cached_content": "cachedContents/1"},
        {"config": {"cached_content": "cachedContents/1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
    ],
    ids=str,
)
def test_what_is_stored_has_no_bound(more: dict[str, Any]) -> None:
    demand = demand_of(call(), {"messages": [], **more})
    assert demand.input_tokens is None and demand.why is not None


RUNNING: list[dict[str, Any]] = [
    {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    {"tools": [{"type": "function", "function": {}}, {"type": "code_interpreter"}]},
    {"tools": [{"googleSearch": {}}]},
    {"config": {"tools": [{"google_search": {}}]}},
    {"toolConfig": {"tools": [{"toolSpec": {}}, {"systemTool": {"name": "nova_grounding"}}]}},
    {"mcp_servers": [{"type": "url", "url": "https://x"}]},
    {"plugins": [{"id": "web"}]},
    {"models": ["other/model"]},
    {"web_search_options": {"search_context_size": "low"}},
    {"context_management": {"edits": [{"type": "compact_20260112"}]}},
    {"reasoning": {"mode": "pro"}},
    {"multi_agent": {"enabled": True}},
    {"fallbacks": [{"model": "claude-opus-4-1"}]},
    {"n": 5.0},
    {"n": "5"},
    {"best_of": 5.0},
    {"config": {"response_modalities": ["TEXT", "IMAGE"]}},
    {"extra_body": {"generationConfig": {"maxOutputTokens": 9}}},
]


@pytest.mark.parametrize("more", RUNNING, ids=str)
def test_more_than_one_answer_has_no_bound_at_all(more: dict[str, Any]) -> None:
    """Not of what it writes either: with its own tools, Anthropic has written more than `max_tokens`."""
    asked = call()
    asked.parameters["gen_ai.request.max_tokens"] = 9
    demand = demand_of(asked, {"messages": [], **more})
    assert (demand.input_tokens, demand.output_tokens) == (None, None) and demand.why is not None
    assert is_open_ended(more)


OWN: list[dict[str, Any]] = [
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"tools": [{"name": "f", "input_schema": {"type": ["object", "null"]}}]},
    {"tools": [{"type": "bash_20250124", "name": "bash"}]},
    {"tools": [{"function_declarations": [{"name": "f"}]}]},
    {"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}, {"cachePoint": {"type": "default"}}]}},
    {"tools": []},
    {"mcp_servers": []},
    {"previous_response_id": None},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
    {"config": None},
    {"reasoning": {"effort": "high"}},
]


@pytest.mark.parametrize("more", OWN, ids=str)
def test_tools_of_the_apps_own_have_a_bound(more: dict[str, Any]) -> None:
    demand = demand_of(call(), {"messages": [], **more})
    assert demand.why is None and demand.input_tokens is not None
    assert not is_open_ended(more)
    if more.get("tools"):
        assert demand.input_tokens >= TOOLS


# SDKs' own objects


class Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    text: str | None = None


def test_models_of_the_sdk_are_read_with_what_they_have_only_been_given() -> None:
    long = "x" * 10_000
    assert (ask([Part(text=long)]).input_tokens or 0) > 10_000
    assert (ask([Part(note=long)]).input_tokens or 0) > 10_000  # type: ignore[call-arg]
    assert ask([Part(file={"type": "file", "file": {}})]).input_tokens is None  # type: ignore[call-arg]


class Colour(str, enum.Enum):  # noqa: UP042  as the SDKs have them
    RED = "red" * 1_000


def test_names_of_enums_and_subclasses_are_read() -> None:
    assert (ask(Colour.RED).input_tokens or 0) >= 3_000
    assert (ask(type("Text", (str,), {})("x" * 3_000)).input_tokens or 0) >= 3_000
    assert (ask(type("Object", (dict,), {})(a="x" * 3_000)).input_tokens or 0) >= 3_000
    assert (ask(b"x" * 3_000).input_tokens or 0) >= 3_000


class Answer(pydantic.BaseModel):
    """A long description of an answer."""

    name: str = pydantic.Field(description="d" * 1_000)


def weather(city: str, answer: Answer, unit: str = "celsius") -> str:
    """Tells the weather of a city."""
    return f"{city} {unit} {answer}"


def test_functions_and_types_are_their_schemas() -> None:
    size = definition_size(weather)
    assert size is not None and size >= len(json.dumps(Answer.model_json_schema())) + len(str(weather.__doc__))
    asked = call("gemini-2.0-flash", "gcp.gemini", "generate_content")
    demand = demand_of(asked, {"contents": "Hi", "config": {"tools": [weather], "response_schema": list[Answer]}})
    assert demand.why is None and (demand.input_tokens or 0) > 2_000


def test_a_function_whose_schema_cannot_be_told_has_no_bound() -> None:
    def odd(thing: random.Random) -> None: ...

    demand = demand_of(call("gemini-2.0-flash"), {"contents": "Hi", "config": {"tools": [odd]}})
    assert demand.input_tokens is None and "schema" in str(demand.why)


def test_googles_files_and_pictures() -> None:
    types = pytest.importorskip("google.genai.types")

    def ask_google(contents: Any, **config: Any) -> Demand:
        made = types.GenerateContentConfig(**config)
        return demand_of(call("gemini-2.0-flash", "gcp.gemini"), {"contents": contents, "config": made})

    known = ask_google([types.Content(role="user", parts=[types.Part(text="x" * 5_000)])], temperature=0.5)
    assert (known.input_tokens or 0) > 5_000 and known.why is None
    picture = types.Part.from_bytes(data=b"x" * 100_000, mime_type="image/png")
    assert 50_000 <= (ask_google([picture]).input_tokens or 0) < 60_000
    assert ask_google([types.File(uri="https://x/files/1", mime_type="text/plain")]).input_tokens is None
    assert ask_google([types.Part.from_uri(file_uri="gs://x/y.pdf", mime_type="application/pdf")]).input_tokens is None
    assert ask_google("Hi", tools=[types.Tool(google_search=types.GoogleSearch())]).input_tokens is None
    assert ask_google("Hi", http_options=types.HttpOptions(headers={"a": "b"})).why is None
    pil = pytest.importorskip("PIL.Image", reason="Pillow is optional for the SDK")
    assert 50_000 <= (ask_google([pil.new("RGB", (9, 9))]).input_tokens or 0) < 60_000


# Output


def made(body: dict[str, Any], kind: Any = "chat", provider: str = "openai", most: int | None = None) -> Demand:
    asked = call(body.get("model", "m"), provider, kind)
    openai.read_chat_request(asked, body)
    if most is not None:
        asked.parameters["gen_ai.request.max_tokens"] = most
    return demand_of(asked, body)


def total(demand: Demand) -> int | None:
    return None if demand.output_tokens is None else demand.output_tokens * demand.choices


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ({}, "chat", None),
        ({"max_tokens": 10}, "chat", 10),
        ({"max_tokens": 10, "max_completion_tokens": 5}, "chat", 10),
        ({"max_completion_tokens": 5_000, "max_tokens": 10}, "chat", 5_000),
        ({"max_completion_tokens": 4_999.5, "max_tokens": 10}, "chat", 5_000),
        ({"max_completion_tokens": 5, "n": 3}, "chat", 15),
        ({"max_tokens": 10, "n": 2.0}, "chat", None),
        ({"max_tokens": -1}, "chat", None),
        ({"max_tokens": 10, "n": 2, "best_of": 5, "prompt": ["a", "b"]}, "text_completion", 100),
        ({"max_tokens": 10, "prompt": [1, 2, 3]}, "text_completion", 10),
        ({"max_tokens": 0, "prompt": "a"}, "text_completion", 0),
        ({"prompt": "a"}, "text_completion", NO_SAY),
        ({"input": "a"}, "embeddings", 0),
        ({"query": "a"}, "rerank", 0),
        ({}, "transcription", None),
    ],
    ids=str,
)
def test_the_most_output(body: dict[str, Any], kind: Any, expected: int | None) -> None:
    assert total(made(body, kind)) == expected


def test_what_was_predicted_wrongly_is_output_too() -> None:
    demand = made({"max_tokens": 10, "prediction": {"type": "content", "content": "x" * 1_000}})
    assert (demand.output_tokens or 0) >= 1_010


def test_coheres_thoughts_are_beside_its_answer() -> None:
    model = "command-a-reasoning-08-2025"
    assert made({"model": model, "max_tokens": 10}, provider="cohere").output_tokens is None
    budget = {"type": "enabled", "token_budget": 90}
    assert made({"model": model, "max_tokens": 10, "thinking": budget}, provider="cohere").output_tokens == 100
    assert made({"model": model, "max_tokens": 10, "thinking": {"type": "disabled"}}, provider="cohere").choices == 1
    assert made({"model": "command-a-03-2025", "max_tokens": 10}, provider="cohere").output_tokens == 10


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"n": 3}, 3), ({}, 4), ({"config": {"number_of_images": 2}}, 2), ({"config": {"number_of_images": "2"}}, 4)],
    ids=str,
)
def test_pictures_are_as_many_as_are_asked_for(body: dict[str, Any], expected: int) -> None:
    assert made({"prompt": "a toll booth", **body}, "image_generation").choices == expected


# Bedrock's bodies


def test_a_body_inside_a_request_is_read() -> None:
    message = {"role": "user", "content": [PICTURES[2], {"type": "text", "text": "Hi"}]}
    asked = call("anthropic.claude-3-haiku-20240307-v1:0", "aws.bedrock")
    for body in (json.dumps({"messages": [message]}), json.dumps({"messages": [message]}).encode()):
        demand = demand_of(asked, {"modelId": asked.request_model, "body": body})
        assert 8_900 <= (demand.input_tokens or 0) < 12_000
    for unread in (b"not JSON", object()):
        assert demand_of(asked, {"modelId": asked.request_model, "body": unread}).input_tokens is None


def test_deep_bodies_are_not_read_without_end() -> None:
    nested: Any = "x"
    for _ in range(500):
        nested = [nested]
    assert ask(nested).why == "its body is nested too deeply to be read"
    for _ in range(500):
        nested = {"a": nested}
    assert ask("Hi", tools=[nested]).input_tokens is None


class Broken(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("not now")


def test_a_body_that_cannot_be_read_is_not_let_through() -> None:
    before = faults.counts()
    demand = demand_of(call(), Broken(messages=[]))
    assert (demand.input_tokens, demand.output_tokens) == (None, None) and demand.why is not None
    assert faults.counts() != before


def test_long_texts_in_any_alphabet() -> None:
    for text in ("x", "ü", "漢", "😀"):
        assert (ask(text * 1_000).input_tokens or 0) >= len((text * 1_000).encode())
    assert (ask(base64.b64encode(bytes(3_000)).decode()).input_tokens or 0) >= 4_000
    assert (ask("\ud800" * 100).input_tokens or 0) >= 100
    assert (ask(string.printable).input_tokens or 0) >= len(string.printable)
