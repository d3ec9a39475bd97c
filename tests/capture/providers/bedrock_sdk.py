"""What the tests of boto3 share: a client of Bedrock that picks recorded answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

boto3 = pytest.importorskip("boto3")

from botocore.config import Config  # noqa: E402

CONVERSE = "bedrock.converse-sync-us.anthropic.claude-sonnet-4-5-20250929-v1-0-901693"
CONVERSE_STREAM = "bedrock.converse-stream-us.anthropic.claude-3-7-sonnet-20250219-v1-0-226678"
INVOKE = "bedrock.invoke-sync-eu.anthropic.claude-haiku-4-5-20251001-v1-3d06c3"
INVOKE_STREAM = "bedrock.invoke-stream-us.anthropic.claude-3-5-sonnet-20240620-v1-0-10d756"


class Client:
    """A client of Bedrock, and the headers that pick a recording."""

    def __init__(self, url: str) -> None:
        self.headers: dict[str, str] = {}
        self.runtime = boto3.client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=1),
        )
        self.runtime.meta.events.register("before-sign.bedrock-runtime.*", self._add_headers)

    def _add_headers(self, request: Any, **_: Any) -> None:
        for name, value in self.headers.items():
            request.headers[name] = value

    def pick(self, recording: str, fault: str = "none") -> Any:
        self.headers = {"X-Recording": recording, "X-Replay-Fault": fault}
        return self.runtime

    def converse(self, recording: str = CONVERSE, fault: str = "none", **options: Any) -> Any:
        messages = [{"role": "user", "content": [{"text": "hello there"}]}]
        return self.pick(recording, fault).converse(**{"modelId": "some.model", "messages": messages, **options})

    def converse_stream(self, fault: str = "none") -> Any:
        messages = [{"role": "user", "content": [{"text": "hello there"}]}]
        return self.pick(CONVERSE_STREAM, fault).converse_stream(modelId="some.model", messages=messages)

    def invoke(self, recording: str = INVOKE, fault: str = "none", model: str = "some.model") -> Any:
        body = json.dumps({"messages": [{"role": "user", "content": "hello there"}], "max_tokens": 7})
        return self.pick(recording, fault).invoke_model(modelId=model, body=body)

    def invoke_stream(self, fault: str = "none") -> Any:
        body = json.dumps({"messages": [{"role": "user", "content": "hello there"}], "max_tokens": 7})
        client = self.pick(INVOKE_STREAM, fault)
        return client.invoke_model_with_response_stream(modelId="some.model", body=body)
