"""Cohere, through its own SDK: every recorded answer, every way in which a stream can end, and odd answers."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections.abc import Callable
from typing import Any

import cohere
import httpx
import pytest
from cohere.core.http_response import HttpResponse

from capture.odd import outcome, variants
from capture.providers.cohere_fakes import ANSWER, EMBEDDING, EVENTS, OLD_EVENTS, answering
from capture.recordings import disagreements, exchange, params
from tollkeeper import Call, tags, uninstrument
from tollkeeper.capture.providers.cohere import TARGETS

CLIENTS = {"v1": (cohere.Client, cohere.AsyncClient), "v2": (cohere.ClientV2, cohere.AsyncClientV2)}
STREAM = "cohere.chat.v2-stream-command-a-03-2025-344beb"
MESSAGES = [cohere.UserChatMessageV2(content="Why is the sky blue? " * 8)]
Instrument = Callable[..., Any]


def client_of(kind: Any, url: str, recording: str = STREAM, fault: str = "none") -> Any:
    http = httpx.AsyncClient if "Async" in kind.__name__ else httpx.Client
    headers = {"X-Recording": recording, "X-Replay-Fault": fault}
    return kind(api_key="none", base_url=url, max_retries=0, httpx_client=http(headers=headers))


def recorded(row: dict[str, Any], client: Any) -> tuple[Any, dict[str, Any]]:
    """The method that sends a recorded request, and the arguments that it has a parameter for."""
    name = row["surface"].split(".")[1] + ("_stream" if row["stream"] else "")
    method = getattr(client, name)
    # The clients hide the signature of `chat` behind a check of their own.
    declared = inspect.signature(getattr(type(client), name)).parameters
    body = exchange(row)["request"]["body"]
    return method, {name: value for name, value in body.items() if name in declared and name != "stream"}


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("row", params(lambda row: row["provider"] == "cohere"))
async def test_agrees_with_the_answer(
    row: dict[str, Any], how: str, replay_url: str, instrumented: Instrument, calls: list[Call]
) -> None:
    """Tokens, id, finish reason and status are what the recorded answer says."""
    handle = instrumented(providers=["cohere"])
    kind = CLIENTS[row["surface"].split(".")[2]][how == "async"]
    method, arguments = recorded(row, client_of(kind, replay_url, row["id"]))
    try:
        answer = method(**arguments)
        if row["stream"]:
            assert inspect.isgenerator(answer) or inspect.isasyncgen(answer)
            _ = list(answer) if how == "sync" else [event async for event in answer]
        elif how == "async":
            await answer
    except cohere.core.ApiError as error:
        assert row["truth"]["error_status"], error
    handle.flush()
    assert len(calls) == 1
    call = calls[0]
    assert disagreements(call, row["truth"]) == {}
    assert call.finish_reasons == tuple(row["truth"]["finish_reasons"] or ())
    assert call.response_id == row["truth"]["response_id"]
    assert call.provider == "cohere"
    if row["truth"]["error_status"]:
        assert call.error_type == "NotFoundError", "the answer has a message only, so the exception gives the type"
    else:
        assert (call.status_code, call.usage_source) == (200, "provider")


def test_raw_responses(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    raw = client_of(cohere.ClientV2, replay_url).with_raw_response
    with raw.chat_stream(model="m", messages=MESSAGES) as response:
        assert type(response) is HttpResponse
        assert response.headers["x-recording-id"] == STREAM
        assert len(list(response.data)) > 10
    raw = client_of(cohere.ClientV2, replay_url, "cohere.chat.v2-sync-command-a-03-2025-0c58a8").with_raw_response
    assert raw.chat(model="m", messages=MESSAGES).data.usage.tokens.input_tokens == 1699
    handle.flush()
    assert [call.usage.input_tokens for call in calls] == [553, 1699]


@pytest.mark.parametrize("batching", [True, False])
def test_a_long_list_is_one_call(batching: bool, instrumented: Instrument, calls: list[Call]) -> None:
    """The SDK sends it in pieces, from threads of its own, which know nothing of the caller's tags."""
    handle = instrumented(providers=["cohere"])
    client, seen = answering(EMBEDDING)
    with tags(tenant="acme"):
        client(cohere.Client).embed(texts=["x"] * 200, model="m", input_type="search_query", batching=batching)
    handle.flush()
    pieces = len(seen)
    assert pieces == (3 if batching else 1)
    assert [(call.usage.input_tokens, call.tags) for call in calls] == [(9 * pieces, {"tenant": "acme"})]


async def test_a_long_list_is_one_async_call(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    client, seen = answering(EMBEDDING)
    await client(cohere.AsyncClient).embed(texts=["x"] * 200, model="m", input_type="search_query")
    handle.flush()
    assert len(seen) == 3
    assert [call.usage.input_tokens for call in calls] == [27]


def test_an_embedding_stream_is_a_call_a_piece(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    client, _ = answering(EMBEDDING)
    list(client(cohere.Client).embed_stream(texts=["x"] * 4, model="m", input_type="search_query", batch_size=2))
    handle.flush()
    assert [call.usage.input_tokens for call in calls] == [9, 9]


@pytest.mark.parametrize("kind", [cohere.Client, cohere.ClientV2])
def test_searches_have_no_tokens(kind: Any, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    client, _ = answering({"id": "r", "results": [], "meta": {"billed_units": {"search_units": 1}}})
    client(kind).rerank(model="rerank-v3.5", query="x", documents=["y"])
    handle.flush()
    assert [(call.operation, call.response_id, call.usage_source) for call in calls] == [("rerank", "r", "unknown")]


def test_images_are_apart_from_the_input(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    meta = {"billed_units": {"input_tokens": 3, "image_tokens": 1000}}
    client, _ = answering({"id": "e", "embeddings": {"float": [[0.5]]}, "texts": [], "meta": meta})
    client(cohere.ClientV2).embed(model="embed-v4.0", input_type="image", embedding_types=["float"], images=["data:,"])
    handle.flush()
    assert [(call.usage.input_tokens, call.usage.input_image_tokens) for call in calls] == [(1003, 1000)]


def test_the_first_version_streams_too(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    client, _ = answering(*OLD_EVENTS)
    assert len(list(client(cohere.Client).chat_stream(message="x"))) == 3
    stream = client(cohere.Client).chat_stream(message="Why is the sky blue?")
    assert [next(stream).event_type for _ in range(2)] == ["stream-start", "text-generation"]
    stream.close()
    handle.flush()
    assert [(call.usage.input_tokens, call.usage.output_tokens, call.usage_source) for call in calls] == [
        (5, 2, "provider"),
        (5, 3, "estimated"),
    ]
    assert [call.response_id for call in calls] == ["g-1", "g-1"]
    assert [call.finish_reasons for call in calls] == [("COMPLETE",), ()]


def test_the_request_is_described(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    options = {"additional_headers": {"X-Tollkeeper-Tenant": "acme"}}
    client = client_of(cohere.ClientV2, replay_url)
    list(client.chat_stream(model="m", messages=MESSAGES, p=0.5, k=3, max_tokens=9, request_options=options))
    handle.flush()
    call = calls[0]
    assert call.tags == {"tenant": "acme"}
    assert (call.request_model, call.endpoint, call.stream) == ("m", "127.0.0.1/v2/chat", True)
    assert f"http://{call.server_address}:{call.server_port}" == replay_url
    assert call.parameters == {
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.top_k": 3.0,
        "gen_ai.request.max_tokens": 9,
    }


# -- how a stream ends ----------------------------------------------------------------------------


def is_cut_short(call: Call, received: bool = True) -> bool:
    """It is billed by what was received, as an estimate that says that it is one."""
    prompt = len("Why is the sky blue? " * 8) // 4
    assert call.usage.input_tokens is not None and call.usage.output_tokens is not None
    sent_well = prompt <= call.usage.input_tokens < 2 * prompt
    return call.usage_source == "estimated" and sent_well and received is (0 < call.usage.output_tokens < 20)


def chat(url: str, fault: str = "none") -> Any:
    return client_of(cohere.ClientV2, url, fault=fault).chat_stream(model="m", messages=MESSAGES)


def achat(url: str, fault: str = "none") -> Any:
    return client_of(cohere.AsyncClientV2, url, fault=fault).chat_stream(model="m", messages=MESSAGES)


def test_closed(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    stream = chat(replay_url)
    for _ in range(4):
        next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [(True, None)]
    assert is_cut_short(calls[0])


def test_forgotten(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    for number, _ in enumerate(chat(replay_url)):
        if number == 4:
            break
    gc.collect()
    handle.flush()
    assert [call.abandoned for call in calls] == [True]
    assert is_cut_short(calls[0])


def test_never_read(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    """The SDK sends the request when the stream is first read: one that never was is no call."""
    handle = instrumented(providers=["cohere"])
    chat(replay_url).close()
    client_of(cohere.ClientV2, replay_url).with_raw_response.chat_stream(model="m", messages=MESSAGES)
    handle.flush()
    assert calls == []


def test_left_by_its_with_block(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    raw = client_of(cohere.ClientV2, replay_url).with_raw_response
    with raw.chat_stream(model="m", messages=MESSAGES) as kept:
        pass
    handle.flush()
    assert [(call.abandoned, is_cut_short(call, received=False)) for call in calls] == [(True, True)]
    with pytest.raises(LookupError), raw.chat_stream(model="m", messages=MESSAGES) as response:
        for _ in response.data:
            raise LookupError
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [(True, None), (True, None)]
    assert kept.status_code == 200


def test_cut(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    with pytest.raises(httpx.RemoteProtocolError):
        list(chat(replay_url, "drop=5"))
    handle.flush()
    assert [(call.error_type, call.abandoned, call.chunks) for call in calls] == [("RemoteProtocolError", False, 5)]
    assert is_cut_short(calls[0])


async def test_async_endings(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    stream = achat(replay_url)
    for _ in range(4):
        await anext(stream)
    await stream.aclose()
    seen = 0
    async for _ in achat(replay_url):
        seen += 1
        if seen == 4:
            break
    await asyncio.sleep(0.05)
    with pytest.raises(httpx.RemoteProtocolError):
        [event async for event in achat(replay_url, "drop=5")]
    handle.flush()
    assert [(call.abandoned, call.error_type) for call in calls] == [
        (True, None),
        (True, None),
        (False, "RemoteProtocolError"),
    ]
    assert all(is_cut_short(call) for call in calls)
    raw = client_of(cohere.AsyncClientV2, replay_url).with_raw_response
    async with raw.chat_stream(model="m", messages=MESSAGES):
        pass
    handle.flush()
    assert [call.abandoned for call in calls[3:]] == [True]


async def test_cancelled(replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])

    async def read() -> None:
        async for _ in achat(replay_url, "chunk-delay=0.05"):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    handle.flush()
    assert [call.error_type for call in calls] == ["CancelledError"]
    assert is_cut_short(calls[0])


@pytest.mark.parametrize("stream", [False, True])
def test_refused(stream: bool, replay_url: str, instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    client = client_of(cohere.ClientV2, replay_url, fault="status=429")
    with pytest.raises(cohere.TooManyRequestsError):
        _ = list(chat(replay_url, "status=429")) if stream else client.chat(model="m", messages=MESSAGES)
    handle.flush()
    assert [(call.status_code, call.error_type) for call in calls] == [(429, "TooManyRequestsError")]
    assert calls[0].usage_source == "unknown" and calls[0].cost is None


def test_an_answer_that_failed(instrumented: Instrument, calls: list[Call]) -> None:
    handle = instrumented(providers=["cohere"])
    client, _ = answering({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "overloaded"}})
    list(client(cohere.ClientV2).chat_stream(model="m", messages=MESSAGES))
    handle.flush()
    assert [(call.error_type, call.finish_reasons) for call in calls] == [("ERROR", ("ERROR",))]


def test_clients_for_other_clouds_are_left_alone(instrumented: Instrument, calls: list[Call]) -> None:
    """They go to AWS or OCI, whatever their base URL says, under other prices."""
    handle = instrumented(providers=["cohere"])
    client, _ = answering(ANSWER)
    client(cohere.ClientV2, api_key="n/a").chat(model="m", messages=MESSAGES)
    handle.flush()
    assert calls == []


# -- nothing changes for the caller ---------------------------------------------------------------


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK warns of each event that it cannot read."""
    for name in ("warning", "error"):
        monkeypatch.setattr(sys.modules["cohere.v2.raw_client"], name, lambda *_: None)


def test_odd_answers_reach_the_caller(quiet: None, instrumented: Instrument, calls: list[Call]) -> None:
    """With any field missing or of any type, the caller gets what he would have got without us; a call is recorded."""

    def ask(answers: list[Any]) -> Any:
        client, _ = answering(*answers)
        if len(answers) > 1:
            return outcome(lambda: list(client(cohere.ClientV2).chat_stream(model="m", messages=MESSAGES)))
        return outcome(lambda: client(cohere.ClientV2).chat(model="m", messages=MESSAGES))

    odd = [[answer] for answer in variants(ANSWER)] + list(variants(EVENTS))
    odd = [answers for answers in odd if answers and all(isinstance(answer, dict) for answer in answers)]
    without = [ask(answers) for answers in odd]
    handle = instrumented(providers=["cohere"])
    assert [ask(answers) for answers in odd] == without
    handle.flush()
    assert len(calls) == len(odd)
    assert all((call.usage.input_tokens or 0) >= 0 and (call.usage.output_tokens or 0) >= 0 for call in calls)


def test_the_request_is_sent_as_it_was_written(instrumented: Instrument, calls: list[Call]) -> None:
    def send() -> list[tuple[bytes, dict[str, str]]]:
        client, seen = answering(ANSWER)
        client(cohere.ClientV2).chat(model="m", messages=MESSAGES, seed=1)
        client(cohere.Client).chat(message="x", temperature=0.5)
        embedding, also_seen = answering(EMBEDDING)
        embedding(cohere.Client).embed(texts=["x"] * 5, model="m", input_type="search_query")
        streaming, seen_streaming = answering(*EVENTS)
        list(streaming(cohere.ClientV2).chat_stream(model="m", messages=MESSAGES))
        return [(request.content, dict(request.headers)) for request in seen + also_seen + seen_streaming]

    without = send()
    handle = instrumented(providers=["cohere"])
    assert send() == without
    handle.flush()
    assert len(calls) == 4


def test_uninstrument_gives_the_functions_back(instrumented: Instrument) -> None:
    def functions() -> list[Any]:
        owners = [(sys.modules[target.module], *target.path.split(".")) for target in TARGETS]
        return [getattr(module, owner).__dict__[name] for module, owner, name in owners]

    own = functions()
    instrumented(providers=["cohere"])
    assert not set(functions()) & set(own)
    uninstrument()
    assert functions() == own
