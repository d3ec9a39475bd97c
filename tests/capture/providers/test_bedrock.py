"""boto3 and Bedrock: every way to read a body, every way in which a stream can end, and what the recordings lack."""

from __future__ import annotations

import contextlib
import gc
import io
import json
from binascii import crc32
from collections.abc import Callable
from struct import pack
from typing import Any

import pytest

from capture.providers.bedrock_sdk import INVOKE, Client
from capture.recordings import exchange, index
from tollkeeper import Call

boto3 = pytest.importorskip("boto3")

from botocore.client import BaseClient  # noqa: E402
from botocore.eventstream import EventStream  # noqa: E402
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError  # noqa: E402
from botocore.response import StreamingBody  # noqa: E402
from botocore.stub import Stubber  # noqa: E402
from urllib3.response import HTTPResponse  # noqa: E402


@pytest.fixture
def watched(instrumented: Callable[..., Any]) -> Any:
    return instrumented(providers=["bedrock"])


@pytest.fixture
def client(replay_url: str, watched: Any) -> Client:
    return Client(replay_url)


def one(watched: Any, calls: list[Call]) -> Call:
    assert watched.flush()
    (call,) = calls
    return call


def read_whole(body: Any) -> bytes:
    return body.read()


def read_in_parts(body: Any) -> bytes:
    return b"".join(iter(lambda: body.read(100), b""))


def read_chunks(body: Any) -> bytes:
    return b"".join(body.iter_chunks(64))


def read_iterated(body: Any) -> bytes:
    return b"".join(body)


def read_lines(body: Any) -> bytes:
    return b"".join(body.iter_lines(keepends=True))


def read_all_lines(body: Any) -> bytes:
    return b"".join(body.readlines())


def read_into(body: Any) -> bytes:
    buffer, found = bytearray(100), b""
    while size := body.readinto(buffer):
        found += bytes(buffer[:size])
    return found


def read_inside_with(body: Any) -> bytes:
    with body as raw:
        return raw.read()


def read_as_a_file(body: Any) -> bytes:
    return json.dumps(json.load(body)).encode()


@pytest.mark.parametrize(
    "read",
    [
        read_whole,
        read_in_parts,
        read_chunks,
        read_iterated,
        read_lines,
        read_all_lines,
        read_into,
        read_inside_with,
        read_as_a_file,
    ],
)
def test_every_way_to_read_a_body(
    read: Callable[[Any], bytes], client: Client, watched: Any, calls: list[Call], shared: Any
) -> None:
    (row,) = [row for row in index() if row["id"] == INVOKE]
    body = client.invoke()["body"]
    assert type(body) is StreamingBody
    assert json.loads(read(body)) == exchange(row)["response"]["body"]
    call = one(watched, calls)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (11470, 44)
    assert (call.usage.cache_write_tokens, call.usage.cache_write_1h_tokens) == (1956, 0)
    assert call.response_model == "claude-haiku-4-5-20251001" and call.finish_reasons == ("end_turn",)
    assert call.parameters["gen_ai.request.max_tokens"] == 7


@pytest.mark.parametrize("leave", ["close", "forget", "some", "with"])
def test_body_that_is_not_read(leave: str, client: Client, watched: Any, calls: list[Call]) -> None:
    """The headers have said already what it has used."""
    answer = client.invoke()
    if leave == "some":
        answer["body"].read(10)
    if leave == "with":
        with answer["body"]:
            pass
    if leave in ("close", "some"):
        answer["body"].close()
    del answer
    gc.collect()
    call = one(watched, calls)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (11470, 44)
    assert (call.usage.cache_read_tokens, call.usage.cache_write_tokens) == (9511, 1956)
    assert call.usage_source == "provider" and not call.abandoned


def test_sockets_timeout_can_still_be_set(client: Client, watched: Any) -> None:
    body = client.invoke()["body"]
    body.set_socket_timeout(3)
    assert body.read() and body.tell() > 0


def test_response_inside_a_body_passes_for_what_it_is(client: Client, watched: Any) -> None:
    with client.invoke()["body"] as raw:
        assert isinstance(raw, HTTPResponse) and raw.status == 200


STREAMS: list[Any] = [
    pytest.param(lambda client, fault="none": client.converse_stream(fault)["stream"], id="converse"),
    pytest.param(lambda client, fault="none": client.invoke_stream(fault)["body"], id="invoke"),
]


@pytest.mark.parametrize("open_stream", STREAMS)
@pytest.mark.parametrize("leave", ["close", "break", "forget", "closing"])
def test_leave_a_stream(open_stream: Any, leave: str, client: Client, watched: Any, calls: list[Call]) -> None:
    events = open_stream(client)
    assert type(events) is EventStream
    for number, _ in enumerate(events):
        if number == 5:
            break
    if leave == "close":
        events.close()
    if leave == "closing":
        with contextlib.closing(events):
            pass
    del events
    gc.collect()
    call = one(watched, calls)
    assert call.abandoned and call.error_type is None and call.status_code == 200
    assert call.usage.output_tokens is not None and call.usage.output_tokens > 0
    if call.response_model:  # Anthropic's own stream starts with the count of the input
        assert (call.usage_source, call.usage.input_tokens) == ("partial", 392)
    else:
        assert (call.usage_source, call.usage.input_tokens) == ("estimated", 4)


@pytest.mark.parametrize("open_stream", STREAMS)
def test_stream_that_was_left_can_be_read_on(open_stream: Any, client: Client, watched: Any, calls: list[Call]) -> None:
    events = open_stream(client)
    first = next(iter(events))
    rest = list(events)
    assert first and rest
    assert one(watched, calls).usage_source == "provider"


@pytest.mark.parametrize("open_stream", STREAMS)
def test_connection_breaks_in_a_stream(open_stream: Any, client: Client, watched: Any, calls: list[Call]) -> None:
    with pytest.raises(Exception, match="(?i)connection broken|ended prematurely|incomplete"):
        list(open_stream(client, "drop=5"))
    call = one(watched, calls)
    assert call.error_type is not None and not call.abandoned
    assert call.usage_source in ("estimated", "partial")


@pytest.mark.parametrize("open_stream", STREAMS)
def test_stream_stands_still(open_stream: Any, client: Client, watched: Any, calls: list[Call]) -> None:
    with pytest.raises(Exception, match="(?i)timed out"):
        list(open_stream(client, "chunk-delay=2"))
    assert one(watched, calls).error_type is not None


def test_error_inside_a_stream(client: Client, watched: Any, calls: list[Call]) -> None:
    events = client.converse_stream()["stream"]
    events._raw_stream._response.stream = lambda: iter([_message("throttlingException", b'{"message": "slow down"}')])
    with pytest.raises(EventStreamError) as raised:
        list(events)
    assert raised.value.response["Error"]["Code"] == "throttlingException"
    call = one(watched, calls)
    assert (call.error_type, call.status_code) == ("throttlingException", 200) and not call.abandoned


def _message(exception: str, payload: bytes) -> bytes:
    """One message of an AWS event stream, framed and summed as the format asks."""
    headers = b""
    for name, value in ((":message-type", "exception"), (":exception-type", exception)):
        headers += pack("!B", len(name)) + name.encode() + pack("!BH", 7, len(value)) + value.encode()
    prelude = pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack("!I", crc32(prelude)) + headers + payload
    return message + pack("!I", crc32(message))


def test_refused_before_a_stream(client: Client, watched: Any, calls: list[Call]) -> None:
    with pytest.raises(ClientError):
        client.converse_stream("status=429")
    call = one(watched, calls)
    assert (call.status_code, call.error_type) == (429, "ThrottlingException")
    assert call.usage_source == "unknown" and call.cost is None


def test_no_connection(watched: Any, calls: list[Call]) -> None:
    with pytest.raises(Exception, match="(?i)could not connect"):
        Client("http://127.0.0.1:9").converse()
    call = one(watched, calls)
    assert (call.error_type, call.status_code) == ("EndpointConnectionError", None)


def test_no_answer_in_time(client: Client, watched: Any, calls: list[Call]) -> None:
    with pytest.raises(ReadTimeoutError):
        client.converse(fault="latency=2")
    assert one(watched, calls).error_type == "ReadTimeoutError"


def test_odd_answers_reach_the_caller(client: Client, watched: Any, calls: list[Call]) -> None:
    odd: list[bytes] = [b"", b"[]", b"null", b"\xff\x00", b'{"usage": "none"}', b'{"usage": {"input_tokens": "5"}}']
    with Stubber(client.runtime) as stubber:
        for content in odd:
            body = StreamingBody(io.BytesIO(content), len(content))
            stubber.add_response("invoke_model", {"body": body, "contentType": "application/json"})
        read = [client.invoke()["body"].read() for _ in odd]
    assert read == odd
    watched.flush()
    assert [call.usage_source for call in calls] == ["unknown"] * len(odd)


def test_other_shapes(client: Client, watched: Any, calls: list[Call]) -> None:
    """Makers of whom there are no recordings, in the shapes that their documentation shows."""
    answers = [
        {"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
        {"outputs": [{"text": "yes", "stop_reason": "stop"}]},
        {"images": ["aGk=", "aGk="]},
    ]
    models = ["openai.gpt-oss-120b-1:0", "mistral.mistral-7b-instruct-v0:2", "amazon.titan-image-generator-v2:0"]
    with Stubber(client.runtime) as stubber:
        for answer, model in zip(answers, models, strict=True):
            content = json.dumps(answer).encode()
            headers = {"x-amzn-bedrock-input-token-count": "4", "x-amzn-bedrock-output-token-count": "2"}
            stubber.add_response(
                "invoke_model",
                {
                    "body": StreamingBody(io.BytesIO(content), len(content)),
                    "contentType": "application/json",
                    "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": headers},
                },
            )
            client.invoke(model=model)["body"].read()
    watched.flush()
    openai, mistral, titan = calls
    assert (openai.usage.input_tokens, openai.usage.output_tokens) == (9, 3)
    assert (mistral.usage.input_tokens, mistral.usage.output_tokens) == (4, 2)
    assert (titan.operation, titan.usage.output_images) == ("image_generation", 2)


def test_tiers_arns_and_tags(client: Client, watched: Any, calls: list[Call]) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
    options = {"maxTokens": 5, "temperature": 0.5, "stopSequences": ["x"]}
    client.converse(
        modelId=arn,
        inferenceConfig=options,
        serviceTier={"type": "flex"},
        requestMetadata={"tenant": "acme"},
        guardrailConfig={"guardrailIdentifier": "guard", "guardrailVersion": "1"},
    )
    call = one(watched, calls)
    assert (call.request_model, call.response_model) == (arn, "us.amazon.nova-lite-v1:0")
    assert call.price_context == {"service_tier": "flex"} and call.tags["tenant"] == "acme"
    assert call.parameters["gen_ai.request.max_tokens"] == 5
    assert call.parameters["aws.bedrock.guardrail.id"] == "guard"
    assert call.endpoint == "127.0.0.1/converse"


def test_other_services_only_pass(replay_url: str, watched: Any, calls: list[Call]) -> None:
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret")
    with Stubber(s3) as stubber:
        stubber.add_response("list_buckets", {"Buckets": []})
        assert s3.list_buckets()["Buckets"] == []
    watched.flush()
    assert calls == []


def test_what_the_caller_gave_stays_as_it_was(client: Client, watched: Any) -> None:
    body = io.BytesIO(b'{"messages": [], "max_tokens": 3}')
    given = {"modelId": "some.model", "body": body}
    client.pick(INVOKE).invoke_model(**given)["body"].read()
    assert given == {"modelId": "some.model", "body": body}


def test_uninstrument_gives_the_very_function_back(instrumented: Callable[..., Any]) -> None:
    before = BaseClient.__dict__["_make_api_call"]
    handle = instrumented(providers=["bedrock"])
    assert BaseClient.__dict__["_make_api_call"] is not before
    handle.uninstrument()
    assert BaseClient.__dict__["_make_api_call"] is before
