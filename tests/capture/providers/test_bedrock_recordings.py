"""Every recorded answer of Bedrock, through boto3."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from capture.providers.bedrock_sdk import Client
from capture.recordings import disagreements, exchange, index, params
from tollkeeper import Call

ClientError = pytest.importorskip("botocore.exceptions").ClientError

LEFT_OUT = {
    "bedrock.count_tokens": "counts tokens; no call",
    "bedrock.openai.chat": "through the openai SDK",
    "bedrock.openai.responses": "through the openai SDK",
}


def is_ours(row: dict[str, Any]) -> bool:
    return row["provider"] == "bedrock" and row["surface"] not in LEFT_OUT


@pytest.fixture
def watched(instrumented: Callable[..., Any]) -> Any:
    return instrumented(providers=["bedrock"])


@pytest.fixture
def client(replay_url: str, watched: Any) -> Client:
    return Client(replay_url)


def ask(client: Client, row: dict[str, Any]) -> None:
    """Send the recorded request. The answer is read as an app would read it."""
    recorded = exchange(row)["request"]["body"]
    runtime = client.pick(row["id"])
    model = row["request_model"]
    if row["surface"] == "bedrock.invoke":
        invoke = runtime.invoke_model_with_response_stream if row["stream"] else runtime.invoke_model
        body = invoke(modelId=model, body=json.dumps(recorded))["body"]
        list(body) if row["stream"] else json.loads(body.read())
        return
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    if row["stream"]:
        list(runtime.converse_stream(modelId=model, messages=messages)["stream"])
    else:
        runtime.converse(modelId=model, messages=messages)


@pytest.mark.parametrize("row", params(is_ours))
def test_recorded_answer(row: dict[str, Any], client: Client, watched: Any, calls: list[Call]) -> None:
    truth = row["truth"]
    if row["status"] >= 400:
        with pytest.raises(ClientError):
            ask(client, row)
    else:
        ask(client, row)
    watched.flush()
    (call,) = calls
    assert disagreements(call, truth) == {}
    assert (call.provider, call.stream) == ("aws.bedrock", row["stream"])
    assert call.request_model == row["request_model"]
    if truth["finish_reasons"]:
        assert list(call.finish_reasons) == truth["finish_reasons"]
    if row["status"] == 200:
        assert call.usage_source == "provider" and call.status_code == 200 and not call.abandoned
    if row["status"] == 200 and row["stream"]:
        assert call.time_to_first_chunk is not None


def test_every_recording_is_covered_or_has_a_reason(shared: Any) -> None:
    rows = [row for row in index() if row["provider"] == "bedrock"]
    covered = Counter(row["surface"] for row in rows if is_ours(row))
    print(f"covered: {sum(covered.values())} of {len(rows)}: {dict(covered)}")
    for row in rows:
        if not is_ours(row):
            print(f"left out: {row['id']}: {LEFT_OUT[row['surface']]}")
    assert sum(covered.values()) >= 32
