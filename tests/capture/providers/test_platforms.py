"""The SDKs' clients for other platforms: Azure, Bedrock and Vertex. Same SDK, other provider, other prices."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from capture.recordings import call_with, disagreements, exchange, params
from tollkeeper import Call


def is_claude_on_bedrock(row: dict[str, Any]) -> bool:
    return row["surface"] == "bedrock.invoke" and "anthropic" in (row["request_model"] or "") and row["status"] == 200


@pytest.mark.parametrize("row", params(lambda row: row["surface"] == "azure.chat"))
def test_azure(row: dict[str, Any], replay_url: str, instrumented: Any, calls: list[Call]) -> None:
    """Through `AzureOpenAI` the provider is Azure, whatever the host; the deployment's real model is in the answer."""
    handle = instrumented(providers=["openai"])
    client = openai.AzureOpenAI(
        azure_endpoint=replay_url,
        api_key="none",
        api_version="2024-10-21",
        max_retries=0,
        default_headers={"X-Recording": row["id"]},
    )
    body = {"model": "deployment", **exchange(row)["request"]["body"]}
    try:
        answer = call_with(client.chat.completions.create, body)
        if isinstance(answer, openai.Stream):
            list(answer)
    except openai.APIError:
        assert row["truth"]["error_status"]
    handle.flush()
    (call,) = calls
    assert call.provider == "azure.ai.openai"
    assert disagreements(call, row["truth"]) == {}
    assert call.error_type or call.price_status == "priced"


@pytest.mark.parametrize("row", params(is_claude_on_bedrock))
def test_anthropic_on_bedrock(row: dict[str, Any], replay_url: str, instrumented: Any, calls: list[Call]) -> None:
    """The SDK's Bedrock client, its streams of AWS events included; beta messages go the same way."""
    handle = instrumented(providers=["anthropic"])
    client = anthropic.AnthropicBedrock(
        base_url=replay_url,
        aws_access_key="a",
        aws_secret_key="b",
        aws_region="us-east-1",
        max_retries=0,
        default_headers={"X-Recording": row["id"]},
    )
    for messages in (client.messages, client.beta.messages):
        answer = messages.create(
            model=row["request_model"],
            max_tokens=9,
            messages=[{"role": "user", "content": "hi"}],
            stream=row["stream"],
        )
        if row["stream"]:
            list(answer)  # type: ignore[call-overload]
    handle.flush()
    assert [call.provider for call in calls] == ["aws.bedrock"] * 2
    for call in calls:
        assert disagreements(call, row["truth"]) == {}


def test_anthropic_on_vertex(instrumented: Any, calls: list[Call]) -> None:
    """The SDK's Vertex client, messages and beta messages, plain and streamed."""
    from tollkeeper.simulator import Simulator  # noqa: PLC0415

    handle = instrumented(providers=["anthropic"])
    with Simulator(seed=1) as simulator:
        client = anthropic.AnthropicVertex(
            base_url=f"{simulator.url}/v1", region="us-east5", project_id="p", access_token="t", max_retries=0
        )
        asked: Any = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        client.messages.create(**asked)
        list(client.messages.create(**asked, stream=True))
        client.beta.messages.create(**asked)
    handle.flush()
    assert [(call.provider, call.usage_source) for call in calls] == [("gcp.vertex_ai", "provider")] * 3
    assert all(call.cost is not None for call in calls)
