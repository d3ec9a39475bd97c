"""The OpenAI SDK against the simulator: every surface, and usage that adds up."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from pydantic import BaseModel

from tollkeeper.simulator import Simulator

HELLO = [{"role": "user", "content": "Hello, who is there?"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


class Person(BaseModel):
    name: str
    age: int
    tags: list[str]
    boss: Person | None = None


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=simulator.base_url("openai"), api_key="sk-any", max_retries=0) as made:
        yield made


@pytest.fixture
def other(simulator: Simulator) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=simulator.base_url("openai"), api_key="sk-any", max_retries=0)


def test_a_chat_answer_counts_its_own_text(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    usage = answer.usage
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.choices[0].finish_reason == "stop"
    assert usage.prompt_tokens == 6  # "user" and the sentence are 24 characters
    assert usage.completion_tokens == -(-len(answer.choices[0].message.content) // 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_says_what_the_plain_answer_says(client):
    plain = client.chat.completions.create(model="gpt-5", messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model="gpt-5", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == plain.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.to_dict() == plain.usage.to_dict()
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert plain.usage.completion_tokens_details.reasoning_tokens >= 64


def test_a_stream_counts_only_when_asked_to(client):
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all("usage" not in chunk.to_dict() for chunk in chunks)


async def test_the_async_client_gets_the_same(client, other):
    plain = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    same = await other.chat.completions.create(model="gpt-4o", messages=HELLO)
    stream = await other.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert plain.choices[0].message.content == same.choices[0].message.content == said
    assert plain.id != same.id


@pytest.mark.parametrize("cap", [1, 7, 100, 5000])
def test_reasoning_and_answer_stay_under_the_cap(client, cap):
    answer = client.chat.completions.create(model="o4-mini", messages=HELLO, max_completion_tokens=cap)
    details = answer.usage.completion_tokens_details
    assert details.reasoning_tokens <= answer.usage.completion_tokens <= cap
    assert answer.choices[0].finish_reason == ("stop" if cap == 5000 else "length")


def test_several_choices_read_the_prompt_once(client):
    one = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    three = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    texts = {choice.message.content for choice in three.choices}
    assert len(texts) == 3
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    assert three.usage.completion_tokens == sum(-(-len(text) // 4) for text in texts)


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "weather"}}])
def test_a_tool_is_called_with_arguments_that_fit(client, choice):
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=TOOLS, tool_choice=choice)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert list(json.loads(call.function.arguments)) == ["city"]
    told = [*HELLO, answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert client.chat.completions.create(model="gpt-4o", messages=told, tools=TOOLS).choices[0].message.content


def test_a_tool_is_left_alone_when_told_so(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=TOOLS, tool_choice="none")
    assert answer.choices[0].message.tool_calls is None


def test_a_streamed_tool_call_is_put_together(client):
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=TOOLS) as stream:
        stream.until_done()
        message = stream.get_final_completion().choices[0].message
    assert list(json.loads(message.tool_calls[0].function.arguments)) == ["city"]


def test_structured_output_parses(client):
    chat = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Person)
    response = client.responses.parse(model="gpt-4o", input="Hello", text_format=Person)
    assert isinstance(chat.choices[0].message.parsed, Person)
    assert isinstance(response.output_parsed, Person)


def test_a_long_prompt_is_warm_the_second_time(client):
    long = [{"role": "user", "content": "All the same every time. " * 400}]
    first, second = (client.chat.completions.create(model="gpt-4o", messages=long).usage for _ in range(2))
    assert first.prompt_tokens_details.cached_tokens == 0
    assert second.prompt_tokens_details.cached_tokens == 2048 < second.prompt_tokens == first.prompt_tokens


def test_a_response_and_its_stream(client):
    plain = client.responses.create(model="gpt-5", input="Hello")
    with client.responses.stream(model="gpt-5", input="Hello") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text == plain.output_text
    assert final.usage == plain.usage
    assert final.id != plain.id
    assert plain.usage.output_tokens_details.reasoning_tokens < plain.usage.output_tokens


async def test_a_response_from_the_async_client(other):
    answer = await other.responses.create(model="gpt-4o", input="Hello", max_output_tokens=3)
    stream = await other.responses.create(model="gpt-4o", input="Hello", max_output_tokens=3, stream=True)
    kinds = [event.type async for event in stream]
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens == 3
    assert kinds[-1] == "response.incomplete"


def test_a_response_calls_a_tool_and_goes_on_from_it(client):
    tools = [{"type": "function", "name": "weather", "parameters": WEATHER}]
    first = client.responses.create(model="gpt-4o", input="Hello", tools=tools)
    call = first.output[0]
    assert call.type == "function_call"
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(model="gpt-4o", input=[output], tools=tools, previous_response_id=first.id)
    alone = client.responses.create(model="gpt-4o", input=[output], tools=tools)
    assert second.output_text
    assert second.usage.input_tokens == alone.usage.input_tokens + first.usage.total_tokens


def test_a_background_response_is_fetched_when_it_is_done(client):
    queued = client.responses.create(
        model="gpt-5", input="Hello", background=True, extra_headers={"X-Simulator": "polls=2"}
    )
    seen = [client.responses.retrieve(queued.id) for _ in range(3)]
    assert (queued.status, queued.usage) == ("queued", None)
    assert [response.status for response in seen] == ["in_progress", "in_progress", "completed"]
    assert seen[-1].usage.total_tokens > 0
    events = list(client.responses.retrieve(queued.id, stream=True, starting_after=1))
    assert events[0].sequence_number == 2
    assert events[-1].response.usage == seen[-1].usage


def test_a_background_response_can_be_cancelled_and_deleted(client):
    queued = client.responses.create(model="gpt-4o", input="Hello", background=True)
    assert client.responses.cancel(queued.id).status == "cancelled"
    assert client.responses.retrieve(queued.id).status == "cancelled"
    client.responses.delete(queued.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(queued.id)


def test_a_response_that_is_not_stored_is_not_found(client):
    answer = client.responses.create(model="gpt-4o", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_counting_before_answering_agrees(client):
    counted = client.responses.input_tokens.count(model="gpt-4o", input="Hello there", instructions="Be brief.")
    answer = client.responses.create(model="gpt-4o", input="Hello there", instructions="Be brief.")
    assert counted.input_tokens == answer.usage.input_tokens


def test_embeddings(client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one text", "another"], dimensions=8)
    again = client.embeddings.create(
        model="text-embedding-3-small", input="another", dimensions=8, encoding_format="float"
    )
    assert [len(row.embedding) for row in answer.data] == [8, 8]
    assert answer.data[1].embedding == pytest.approx(again.data[0].embedding)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 4
    assert len(client.embeddings.create(model="text-embedding-3-large", input=[[1, 2, 3]]).data[0].embedding) == 3072


def test_completions(client):
    plain = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon", max_tokens=9)
    stream = client.completions.create(
        model="gpt-3.5-turbo-instruct",
        prompt="Once upon",
        max_tokens=9,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert plain.usage.completion_tokens == 9
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == plain.choices[0].text
    assert chunks[-1].usage == plain.usage


def test_moderations_and_models(client):
    assert client.moderations.create(input=["one", "two"]).results[1].flagged is False
    assert "gpt-4o-mini" in [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("create", "error", "code"),
    [
        (
            lambda c: c.chat.completions.create(model="no-such-model", messages=HELLO),
            openai.NotFoundError,
            "model_not_found",
        ),
        (lambda c: c.responses.create(model="no-such-model", input="x"), openai.NotFoundError, "model_not_found"),
        (
            lambda c: c.chat.completions.create(model="gpt-4o", messages=[]),
            openai.BadRequestError,
            "missing_required_parameter",
        ),
        (lambda c: c.get("/nothing", cast_to=object), openai.NotFoundError, "unknown_url"),
    ],
)
def test_a_wrong_request_is_refused_as_by_openai(client, create, error, code):
    with pytest.raises(error) as raised:
        create(client)
    assert raised.value.code == code
    assert raised.value.type == "invalid_request_error"


def test_a_body_that_makes_no_sense_is_refused(client):
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", cast_to=object, body={"model": "gpt-4o", "messages": ["no object"]})
