"""The Google Gen AI SDK against the simulator, as the Developer API and as Vertex AI."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import errors
from google.oauth2.credentials import Credentials
from pydantic import BaseModel

from tollkeeper.simulator import Simulator


class Person(BaseModel):
    name: str
    age: int


def weather(city: str) -> str:
    """The weather in a city."""
    return "sunny"


@pytest.fixture(params=["developer", "vertex"])
def client(request: pytest.FixtureRequest, simulator: Simulator) -> genai.Client:
    options = {"base_url": simulator.base_url("gemini")}
    if request.param == "developer":
        return genai.Client(api_key="any", http_options=options)
    return genai.Client(vertexai=True, project="p", location="l", credentials=Credentials("any"), http_options=options)


def test_an_answer_counts_its_own_text_and_thoughts(client):
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Hello, who is there?")
    usage = answer.usage_metadata
    assert usage.candidates_token_count == -(-len(answer.text) // 4)
    assert usage.thoughts_token_count >= 64
    assert usage.total_token_count == (
        usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count
    )
    counted = client.models.count_tokens(model="gemini-2.5-flash", contents="Hello, who is there?")
    assert counted.total_tokens == usage.prompt_token_count


def test_each_chunk_counts_what_was_said_so_far(client):
    plain = client.models.generate_content(model="gemini-2.0-flash", contents="Hello")
    chunks = list(client.models.generate_content_stream(model="gemini-2.0-flash", contents="Hello"))
    assert "".join(chunk.text for chunk in chunks) == plain.text
    assert chunks[-1].usage_metadata.to_json_dict() == plain.usage_metadata.to_json_dict()
    assert len({chunk.response_id for chunk in chunks}) == 1
    counts = [chunk.usage_metadata.total_token_count for chunk in chunks]
    if client.vertexai:
        assert counts[:-1] == [None] * (len(counts) - 1)
    else:
        assert counts == sorted(set(counts))


async def test_the_async_client_gets_the_same(client):
    plain = client.models.generate_content(model="gemini-2.0-flash", contents="Hello")
    same = await client.aio.models.generate_content(model="gemini-2.0-flash", contents="Hello")
    stream = await client.aio.models.generate_content_stream(model="gemini-2.0-flash", contents="Hello")
    assert plain.text == same.text == "".join([chunk.text async for chunk in stream])


def test_thoughts_are_shown_when_asked_for(client):
    config = {"thinking_config": {"include_thoughts": True}}
    answer = client.models.generate_content(model="gemini-2.5-pro", contents="Hello", config=config)
    thought, text = answer.candidates[0].content.parts
    assert (thought.thought, text.thought) == (True, None)
    assert answer.usage_metadata.thoughts_token_count == len(thought.text) // 4


def test_the_cap_includes_the_thoughts(client):
    answer = client.models.generate_content(model="gemini-2.5-pro", contents="Hello", config={"max_output_tokens": 9})
    usage = answer.usage_metadata
    assert answer.candidates[0].finish_reason == "MAX_TOKENS"
    assert usage.thoughts_token_count + (usage.candidates_token_count or 0) == 9


def test_structured_output_parses(client):
    config = {"response_mime_type": "application/json", "response_schema": Person}
    assert isinstance(
        client.models.generate_content(model="gemini-2.0-flash", contents="Hello", config=config).parsed, Person
    )


def test_a_function_is_called_and_its_result_read(client):
    answer = client.models.generate_content(model="gemini-2.0-flash", contents="Hello", config={"tools": [weather]})
    assert answer.text
    call = answer.automatic_function_calling_history[1].parts[0].function_call
    assert (call.name, list(call.args)) == ("weather", ["city"])


def test_embeddings(client):
    answer = client.models.embed_content(
        model="gemini-embedding-001", contents=["one", "two"], config={"output_dimensionality": 8}
    )
    assert [len(row.values) for row in answer.embeddings] == [8, 8]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "RESOURCE_EXHAUSTED"), (404, "NOT_FOUND"), (400, "INVALID_ARGUMENT")]
)
def test_errors_are_googles(client, status, kind):
    config = {"http_options": {"headers": {"X-Simulator": f"status={status}"}}}
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="gemini-2.0-flash", contents="Hello", config=config)
    assert (raised.value.code, raised.value.status) == (status, kind)


def test_a_missing_model_is_not_found(client):
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="no-such-model", contents="Hello")
    assert raised.value.code == 404


def test_models(client):
    prefix = "publishers/google/models" if client.vertexai else "models"
    assert f"{prefix}/gemini-2.5-flash" in [model.name for model in client.models.list()]
