"""The Ollama SDK against the simulator."""

from __future__ import annotations

import json

import ollama
import pytest

from tollkeeper.simulator import Simulator

HELLO = [{"role": "user", "content": "Hello, who is there?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
def client(simulator: Simulator) -> ollama.Client:
    return ollama.Client(host=simulator.base_url("ollama"))


def test_a_chat_answer_and_its_stream_say_and_count_the_same(client):
    plain = client.chat(model="llama3.2", messages=HELLO)
    *before, last = client.chat(model="llama3.2", messages=HELLO, stream=True)
    assert "".join(part.message.content for part in before) == plain.message.content
    assert all(part.eval_count is None for part in before)
    assert (last.prompt_eval_count, last.eval_count) == (plain.prompt_eval_count, plain.eval_count)
    assert plain.eval_count == -(-len(plain.message.content) // 4)
    assert last.done_reason == "stop"


def test_thinking_is_part_of_the_count(client):
    plain = client.chat(model="qwen3:4b", messages=HELLO)
    assert plain.eval_count == len(plain.message.thinking) // 4 + -(-len(plain.message.content) // 4)
    parts = list(client.chat(model="qwen3:4b", messages=HELLO, stream=True))
    assert "".join(part.message.thinking or "" for part in parts) == plain.message.thinking


async def test_the_async_client_gets_the_same(client, simulator):
    other = ollama.AsyncClient(host=simulator.url)
    plain = client.chat(model="llama3.2", messages=HELLO)
    parts = [part async for part in await other.chat(model="llama3.2", messages=HELLO, stream=True)]
    assert (await other.chat(model="llama3.2", messages=HELLO)).message.content == plain.message.content
    assert "".join(part.message.content for part in parts) == plain.message.content


def test_generate_stops_at_its_cap(client):
    plain = client.generate(model="llama3.2", prompt="Once", options={"num_predict": 4})
    *before, last = client.generate(model="llama3.2", prompt="Once", options={"num_predict": 4}, stream=True)
    assert (plain.eval_count, plain.done_reason) == (last.eval_count, last.done_reason) == (4, "length")
    assert "".join(part.response for part in before) == plain.response


def test_tools_and_formats(client):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    call = client.chat(model="llama3.2", messages=HELLO, tools=tools).message.tool_calls[0]
    assert list(call.function.arguments) == ["city"]
    assert list(json.loads(client.chat(model="llama3.2", messages=HELLO, format=SCHEMA).message.content)) == ["city"]


def test_embed(client):
    answer = client.embed(model="nomic-embed-text", input=["one text", "another"])
    assert [len(row) for row in answer.embeddings] == [768, 768]
    assert answer.prompt_eval_count == 4
    assert len(client.embeddings(model="nomic-embed-text", prompt="x").embedding) == 768


def test_errors_are_ollamas(client):
    with pytest.raises(ollama.ResponseError, match="not found") as raised:
        client.chat(model="no-such-model", messages=HELLO)
    assert raised.value.status_code == 404


def test_the_local_models_are_listed(client):
    assert "llama3.2" in [model.model for model in client.list().models]
