"""The Anthropic SDK against the simulator."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import httpx
import pytest

from tollkeeper.simulator import Simulator

MODEL = "claude-haiku-4-5"
ASK = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "Hello, who is there?"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": "weather", "input_schema": SCHEMA}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def client(simulator: Simulator) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=simulator.base_url("anthropic"), api_key="any", max_retries=0) as made:
        yield made


def test_a_message_counts_its_own_text(client):
    message = client.messages.create(**ASK)
    assert message.model == "claude-haiku-4-5-20251001"
    assert message.stop_reason == "end_turn"
    assert (
        message.usage.input_tokens == client.messages.count_tokens(model=MODEL, messages=ASK["messages"]).input_tokens
    )
    assert message.usage.output_tokens == -(-len(message.content[0].text) // 4)


def test_a_stream_begins_with_a_placeholder_and_ends_with_the_count(client):
    plain = client.messages.create(**ASK)
    events = list(client.messages.create(**ASK, stream=True))
    assert [events[0].type, events[-2].type, events[-1].type] == ["message_start", "message_delta", "message_stop"]
    assert events[0].message.usage.output_tokens == 1
    assert events[0].message.usage.input_tokens == plain.usage.input_tokens
    assert events[-2].usage.output_tokens == plain.usage.output_tokens
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == plain.content[0].text
        assert stream.get_final_message().usage.output_tokens == plain.usage.output_tokens


async def test_the_async_client_and_the_beta_resource_get_the_same(client, simulator):
    async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key="any", max_retries=0) as other:
        message = await other.messages.create(**ASK)
        beta = await other.beta.messages.create(**ASK)
        async with other.messages.stream(**ASK) as stream:
            said = [text async for text in stream.text_stream]
    assert message.content[0].text == beta.content[0].text == "".join(said)
    assert len({message.id, beta.id}) == 2


def test_thinking_is_part_of_the_output(client):
    ask = {**ASK, "max_tokens": 3000, "thinking": THINKING}
    message = client.messages.create(**ask)
    thinking, text = message.content
    assert message.usage.output_tokens == len(thinking.thinking) // 4 + -(-len(text.text) // 4)
    with client.messages.stream(**ask) as stream:
        assert stream.get_final_message().content[0].thinking == thinking.thinking


def test_the_cap_holds(client):
    message = client.messages.create(**{**ASK, "max_tokens": 5})
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_read(client, streamed):
    ask = {**ASK, "tools": TOOLS, "tool_choice": {"type": "any"}}
    if streamed:
        with client.messages.stream(**ask) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**ask)
    call = message.content[0]
    assert message.stop_reason == "tool_use"
    assert list(call.input) == ["city"]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
    told = [*ASK["messages"], {"role": "assistant", "content": message.content}, result]
    assert client.messages.create(**{**ASK, "messages": told, "tools": TOOLS}).stop_reason == "end_turn"


def test_structured_output_is_json_that_fits(client):
    ask = {**ASK, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    assert '"city"' in client.messages.create(**ask).content[0].text


@pytest.mark.parametrize(("ttl", "field"), [("5m", "ephemeral_5m_input_tokens"), ("1h", "ephemeral_1h_input_tokens")])
def test_a_marked_prompt_is_written_once_and_then_read(client, ttl, field):
    mark = {"type": "ephemeral", "ttl": ttl}
    system = [{"type": "text", "text": f"Lasting {ttl}. " * 500, "cache_control": mark}]
    written, read = (client.messages.create(**ASK, system=system).usage for _ in range(2))
    assert written.cache_creation_input_tokens == getattr(written.cache_creation, field) == 1024
    assert (written.cache_read_input_tokens, read.cache_read_input_tokens) == (0, 1024)
    assert read.cache_creation_input_tokens == 0
    assert read.input_tokens == written.input_tokens


def test_an_unmarked_prompt_is_never_cached(client):
    for _ in range(2):
        usage = client.messages.create(**ASK, system="Once more. " * 1000).usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("change", "error", "kind"),
    [
        ({"model": "no-such-model"}, anthropic.NotFoundError, "not_found_error"),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
    ],
)
def test_a_wrong_request_is_refused_as_by_anthropic(client, change, error, kind):
    with pytest.raises(error) as raised:
        client.messages.create(**{**ASK, **change})
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["type"] == kind


def test_models_are_anthropics_own(client):
    assert all(model.id.startswith("claude") for model in client.models.list())


def test_vertex_paths_name_the_model(simulator):
    path = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-haiku-4-5:streamRawPredict"
    body = {**{name: ASK[name] for name in ("max_tokens", "messages")}, "stream": True}
    assert "message_stop" in httpx.post(simulator.url + path, json=body).text
