"""A call that a limit has no room for, as the app meets it: the SDK's own error for status 429, and ours; not sent."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import tollkeeper
from capture.asking import Asking, askings, helper, parse, plain, raw, raw_stream, stream
from capture.bench import Bench, Records, Way, simulate
from capture.scenarios import Surface
from tollkeeper.capture.denied import STATUS_CODE, Denied, body_of, denied_as, headers_of
from tollkeeper.capture.providers import google_genai
from tollkeeper.model import Denial, Limit, Status, Window
from tollkeeper.policy import Policy
from tollkeeper.policy.wording import message_of

FEW = Limit("few", "requests", 1, Window("month"), per=("tenant",))
POLICY = Policy("p", (FEW,))
MONTH = 31 * 86_400
ERRORS = {
    "openai": ("openai", "RateLimitError"),
    "anthropic": ("anthropic", "RateLimitError"),
    "groq": ("groq", "RateLimitError"),
    "google_genai": ("google.genai.errors", "ClientError"),
    "ollama": ("ollama", "ResponseError"),
    "mistralai": ("mistralai.client.errors", "SDKError"),
    "cohere": ("cohere", "TooManyRequestsError"),
    "bedrock": ("botocore.exceptions", "ClientError"),
}
"""What apps that use an SDK catch where the provider's own limit is reached."""


def error_class(surface: Surface) -> type[Exception]:
    module, name = ERRORS[surface.package]
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("way", "action"), askings(plain, stream, helper, parse, raw, raw_stream))
async def test_it_is_the_sdks_own_error_and_ours(way: Way, action: Asking, records: Records) -> None:
    with simulate(way.surface) as simulator, records.watching(way.surface.package, policy=POLICY):
        bench = Bench(way, simulator.url)
        with tollkeeper.tags(tenant="acme"):
            await plain(bench)
            sent = len(simulator.requests)
            with pytest.raises(error_class(way.surface)) as caught:
                await action(bench)
        assert len(simulator.requests) == sent, "what is denied is not sent"
        with tollkeeper.tags(tenant="other"):
            await plain(bench)
        denied = caught.value
    assert isinstance(denied, tollkeeper.Denied)
    assert (denied.limit, denied.scope, denied.used, denied.amount) == (FEW, {"tenant": "acme"}, 1, 1)
    assert denied.status_code == STATUS_CODE
    assert str(denied) == message_of(denied.denial)
    assert denied.retry_after is not None and 0 < denied.retry_after <= MONTH
    status, headers, said = answered(denied)
    assert status == STATUS_CODE
    assert headers is None or 0 < int(headers["retry-after"]) <= MONTH
    assert said == message_of(denied.denial) and "few" in said and "acme" in said
    restored = pickle.loads(pickle.dumps(denied))
    assert type(restored) is tollkeeper.Denied and restored.denial == denied.denial
    assert str(restored) == str(denied)
    for copied in (copy.copy(denied), copy.deepcopy(denied)):
        assert type(copied) is type(denied) and str(copied) == str(denied)


def answered(denied: Any) -> tuple[int, Any, str]:
    """Status, headers and message of the answer that an SDK's error holds, where the SDK keeps them."""
    response = getattr(denied, "raw_response", None) or getattr(denied, "response", None)
    if isinstance(response, dict):  # botocore
        head = response["ResponseMetadata"]
        return head["HTTPStatusCode"], head["HTTPHeaders"], response["Error"]["Message"]
    if response is not None:
        said = response.json()
        return response.status_code, response.headers, (said if "message" in said else said["error"])["message"]
    if hasattr(denied, "body"):  # cohere
        return denied.status_code, denied.headers, denied.body["message"]
    return denied.status_code, None, denied.error  # ollama


NONE = Policy("p", (Limit("none", "requests", 0, Window("day")),))


def denied_by(call: Callable[[], Any], error: type[Exception]) -> Any:
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, Denied)
    return caught.value


def test_openais_error_says_which_limit(instrumented: Any) -> None:
    import openai  # noqa: PLC0415  an optional SDK

    instrumented(policy=NONE)
    for client in (
        openai.OpenAI(api_key="any", base_url="http://127.0.0.1:9"),
        openai.AzureOpenAI(api_key="any", api_version="2024-10-21", azure_endpoint="http://127.0.0.1:9"),
    ):
        denied = denied_by(
            lambda client=client: client.chat.completions.create(model="gpt-4o", messages=[]),  # type: ignore[misc]
            openai.RateLimitError,
        )
        assert (denied.code, denied.type) == ("requests_per_day", "rate_limit_error")
        assert denied.response.headers["x-tollkeeper-limit"] == "none"
        assert (denied.request.url.scheme, denied.request.url.host, denied.request.url.port) == ("http", "127.0.0.1", 9)
        assert denied.request.url.path.endswith("/chat/completions")


def test_a_long_tag_is_told_of_in_part() -> None:
    denial = Denial(Status(FEW, {"tenant": "x" * 100_000}, 1, 0, None), 1, None, "used_up")
    assert len(message_of(denial)) < 500


def test_anthropics_error_has_its_type_on_every_platform(instrumented: Any) -> None:
    anthropic = pytest.importorskip("anthropic")
    ask: Any = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    instrumented(policy=NONE)
    for client in (
        anthropic.Anthropic(api_key="any", base_url="http://127.0.0.1:9"),
        anthropic.AnthropicBedrock(
            aws_access_key="a", aws_secret_key="b", aws_region="us-east-1", base_url="http://127.0.0.1:9"
        ),
        anthropic.AnthropicVertex(region="us-east5", project_id="p", access_token="t", base_url="http://127.0.0.1:9"),
    ):
        for messages in (client.messages, client.beta.messages):
            denied = denied_by(lambda messages=messages: messages.create(**ask), anthropic.RateLimitError)
            assert denied.body["type"] == "error"
            assert denied.body["error"]["type"] == "rate_limit_error"


def test_googles_errors_say_when_to_come_back(instrumented: Any) -> None:
    genai = pytest.importorskip("google.genai")
    from google.genai import errors  # noqa: PLC0415  an optional SDK

    instrumented(policy=NONE)
    client = genai.Client(api_key="any", http_options={"base_url": "http://127.0.0.1:9"})
    denied = denied_by(
        lambda: client.models.generate_content(model="gemini-2.0-flash", contents="hi"), errors.ClientError
    )
    assert (denied.code, denied.status) == (429, "RESOURCE_EXHAUSTED")
    assert denied.message == str(denied)
    assert denied.details["error"]["details"] == [], "waiting does not help"
    (retry,) = google_genai.error_body(denial(12.25))["error"]["details"]
    assert retry["retryDelay"] == "12.250s"


def test_interactions_have_an_error_of_their_own(instrumented: Any) -> None:
    genai = pytest.importorskip("google.genai")
    compat = pytest.importorskip("google.genai._gaos.lib.compat_errors")
    instrumented(policy=NONE)
    client = genai.Client(api_key="any", http_options={"base_url": "http://127.0.0.1:9"})
    denied = denied_by(lambda: client.interactions.create(model="gemini-2.0-flash", input="hi"), compat.RateLimitError)
    assert (denied.status_code, denied.body["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")


def test_bedrocks_error_is_the_clients_own(instrumented: Any) -> None:
    boto3 = pytest.importorskip("boto3")
    instrumented(policy=NONE)
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "endpoint_url": "http://127.0.0.1:9"}
    client = boto3.client("bedrock-runtime", region_name="us-east-1", **keys)
    messages = [{"role": "user", "content": [{"text": "hi"}]}]
    body = json.dumps({"messages": [], "max_tokens": 9})
    for ask in (
        lambda: client.converse(modelId="amazon.nova-lite-v1:0", messages=messages),
        lambda: client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages),
        lambda: client.invoke_model(modelId="anthropic.claude-3-haiku-20240307-v1:0", body=body),
        lambda: client.invoke_model_with_response_stream(modelId="anthropic.claude-3-haiku-20240307-v1:0", body=body),
    ):
        denied = denied_by(ask, client.exceptions.ThrottlingException)
        assert denied.response["Error"]["Code"] == "ThrottlingException"
        assert denied.response["ResponseMetadata"]["RetryAttempts"] == 0
    assert denied.operation_name == "InvokeModelWithResponseStream"


def test_mistrals_error_is_that_of_the_clients_package(instrumented: Any) -> None:
    module = pytest.importorskip("mistralai.azure.client", reason="the SDK's extra for Azure is not installed")
    from mistralai.azure.client.errors import SDKError  # noqa: PLC0415  an optional SDK

    instrumented(policy=NONE)
    client = module.MistralAzure(api_key="none", server_url="http://127.0.0.1:9")
    denied = denied_by(lambda: client.chat.complete(model="m", messages=[{"role": "user", "content": "hi"}]), SDKError)
    assert (denied.status_code, json.loads(denied.body)["code"]) == (429, "requests_per_day")


def denial(retry_after: float | None) -> Denial:
    return Denial(Status(FEW, {"tenant": "acme"}, 1, 0, None), 1, retry_after, "used_up")


@pytest.mark.parametrize(("seconds", "said"), [(0.0, "1"), (0.2, "1"), (12.3, "13"), (60.0, "60"), (None, None)])
def test_seconds_are_rounded_up(seconds: float | None, said: str | None) -> None:
    assert headers_of(denial(seconds)).get("retry-after") == said


def test_one_without_an_sdk_has_its_text() -> None:
    plain_one = Denied.of(denial(1.0))
    assert plain_one.args == (str(plain_one),)
    assert plain_one.resets_at is None and plain_one.reason == "used_up" and plain_one.estimate == 1


def test_a_class_is_made_once() -> None:
    assert denied_as(KeyError) is denied_as(KeyError)
    assert issubclass(denied_as(KeyError), (Denied, KeyError))


def test_the_body_is_in_the_usual_form() -> None:
    assert body_of(denial(1.0))["error"]["code"] == "requests_per_month"
