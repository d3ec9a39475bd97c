"""Each attempt that an SDK makes by itself passes the gate: the one before it is settled, the next one admitted."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

import tollkeeper
from tollkeeper.capture.patch import is_installed
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy

Instrument = Callable[..., tollkeeper.Instrumentation]

DAY = Window("day")
MOST, USED = 50, 2
"""Output tokens: what each call below may have, and what each answer below has."""

SILENCE = 0
"""In place of a status: there is no answer, and the client gives up."""

BEDROCK = {
    "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": USED, "totalTokens": 5},
    "metrics": {"latencyMs": 1},
}
COHERE = {
    "id": "a",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "x"}]},
    "usage": {"tokens": {"input_tokens": 3, "output_tokens": USED}},
}
EMBEDDED = {
    "id": "e",
    "response_type": "embeddings_floats",
    "embeddings": [[0.5]],
    "texts": ["x"],
    "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 9}},
}
MISTRAL = {
    "id": "a",
    "object": "chat.completion",
    "model": "m",
    "created": 1,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": USED, "total_tokens": 5},
}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": USED, "totalTokenCount": 5},
}
INTERACTION = {
    "id": "i",
    "model": "gemini-2.5-flash",
    "status": "completed",
    "created": "2026-01-01T00:00:00Z",
    "updated": "2026-01-01T00:00:00Z",
    "usage": {"total_input_tokens": 3, "total_output_tokens": USED, "total_tokens": 5},
}
ANSWERS = {
    "converse": BEDROCK,
    "v2/chat": COHERE,
    "v1/embed": EMBEDDED,
    "chat/completions": MISTRAL,
    "interactions": INTERACTION,
    "eneration": GEMINI,
    "enerateContent": GEMINI,
}


class Provider:
    """A server that gives the answers it is told to, in order, and then only good ones."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.seen: list[str] = []
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                provider.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("content-length", 0)))
        with self.lock:
            self.seen.append(handler.path)
            status = self.script.pop(0) if self.script else 200
        if status == SILENCE:
            if "v2/chat" not in handler.path and "converse" not in handler.path:
                # Only these SDKs try again where the connection was closed; the others, where their patience ends.
                self.is_over.wait(5)
            handler.close_connection = True
            return
        said = next(body for part, body in ANSWERS.items() if part in handler.path)
        body = json.dumps(said if status == 200 else {"message": "busy"}).encode()
        kind = "application/json"
        if status == 200 and "stream" in handler.path:
            kind, body = "text/event-stream", b"data: " + body + b"\n\n"
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.send_header("retry-after-ms", "1")
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def provider() -> Iterator[Provider]:
    started = Provider()
    yield started
    started.is_over.set()
    started.server.shutdown()
    started.server.server_close()


def bedrock(mode: str) -> Callable[[str], Any]:
    def call(url: str) -> Any:
        client = pytest.importorskip("boto3").client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=importlib.import_module("botocore.config").Config(
                retries={"mode": mode, "total_max_attempts": 4}, read_timeout=10
            ),
        )
        asked = [{"role": "user", "content": [{"text": "hello"}]}]
        return client.converse(modelId="some.model", messages=asked, inferenceConfig={"maxTokens": MOST})

    return call


def cohere(url: str) -> Any:
    client = pytest.importorskip("cohere").ClientV2("none", base_url=url)
    return client.chat(**COHERE_ASKED)


def cohere_async(url: str) -> Any:
    async def call() -> Any:
        return await pytest.importorskip("cohere").AsyncClientV2("none", base_url=url).chat(**COHERE_ASKED)

    return asyncio.run(call())


COHERE_ASKED: dict[str, Any] = {
    "model": "command-r",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": MOST,
    "request_options": {"max_retries": 3, "retry_remote_protocol_errors": True},
}


def mistral(url: str) -> Any:
    return mistral_client(url).chat.complete(**MISTRAL_ASKED)


def mistral_async(url: str) -> Any:
    async def call() -> Any:
        return await mistral_client(url).chat.complete_async(**MISTRAL_ASKED)

    return asyncio.run(call())


MISTRAL_ASKED: dict[str, Any] = {
    "model": "mistral-small",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": MOST,
}


def mistral_client(url: str) -> Any:
    sdk, utils = pytest.importorskip("mistralai.client"), importlib.import_module("mistralai.client.utils")
    patience = utils.BackoffStrategy(1, 1, 1.0, 60_000, jitter_ms=0)
    config = utils.RetryConfig("backoff", patience, True)
    return sdk.Mistral(api_key="none", server_url=url, retry_config=config, timeout_ms=1000)


def gemini_client(url: str) -> Any:
    """Whoever asks for one must keep it: it is closed once it is forgotten."""
    genai = pytest.importorskip("google.genai")
    again = genai.types.HttpRetryOptions(attempts=4, initial_delay=0.0, max_delay=0.0, jitter=0.0)
    options = genai.types.HttpOptions(base_url=url, retry_options=again, timeout=1000)
    return genai.Client(api_key="key", http_options=options)


GEMINI_ASKED: dict[str, Any] = {
    "model": "gemini-2.5-flash",
    "contents": "hello",
    "config": {"max_output_tokens": MOST},
}


def gemini(url: str) -> Any:
    client = gemini_client(url)
    return client.models.generate_content(**GEMINI_ASKED)


def gemini_by_request(url: str) -> Any:
    genai = pytest.importorskip("google.genai")
    again = {"attempts": 4, "initial_delay": 0.0, "max_delay": 0.0, "jitter": 0.0}
    config = {"max_output_tokens": MOST, "http_options": {"retry_options": again, "timeout": 1000}}
    client = genai.Client(api_key="key", http_options=genai.types.HttpOptions(base_url=url))
    return client.models.generate_content(**{**GEMINI_ASKED, "config": config})


def gemini_stream(url: str) -> Any:
    client = gemini_client(url)
    return list(client.models.generate_content_stream(**GEMINI_ASKED))


def gemini_async(url: str) -> Any:
    async def call() -> Any:
        client = gemini_client(url)
        return await client.aio.models.generate_content(**GEMINI_ASKED)

    return asyncio.run(call())


def gemini_async_stream(url: str) -> Any:
    async def call() -> Any:
        client = gemini_client(url)
        return [chunk async for chunk in await client.aio.models.generate_content_stream(**GEMINI_ASKED)]

    return asyncio.run(call())


INTERACTION_ASKED: dict[str, Any] = {
    "model": "gemini-2.5-flash",
    "input": "hello",
    "generation_config": {"max_output_tokens": MOST},
}


def interaction(url: str) -> Any:
    client = gemini_client(url)
    return client.interactions.create(**INTERACTION_ASKED)


def interaction_async(url: str) -> Any:
    async def call() -> Any:
        client = gemini_client(url)
        return await client.aio.interactions.create(**INTERACTION_ASKED)

    return asyncio.run(call())


CALLS = {
    "bedrock-legacy": (bedrock("legacy"), "botocore.exceptions.ClientError"),
    "bedrock-standard": (bedrock("standard"), "botocore.exceptions.ClientError"),
    "bedrock-adaptive": (bedrock("adaptive"), "botocore.exceptions.ClientError"),
    "cohere": (cohere, "cohere.TooManyRequestsError"),
    "cohere-async": (cohere_async, "cohere.TooManyRequestsError"),
    "mistral": (mistral, "mistralai.client.errors.SDKError"),
    "mistral-async": (mistral_async, "mistralai.client.errors.SDKError"),
    "gemini": (gemini, "google.genai.errors.ClientError"),
    "gemini-by-request": (gemini_by_request, "google.genai.errors.ClientError"),
    "gemini-stream": (gemini_stream, "google.genai.errors.ClientError"),
    "gemini-async": (gemini_async, "google.genai.errors.ClientError"),
    "gemini-async-stream": (gemini_async_stream, "google.genai.errors.ClientError"),
    "interaction": (interaction, "google.genai._gaos.lib.compat_errors.RateLimitError"),
    "interaction-async": (interaction_async, "google.genai._gaos.lib.compat_errors.RateLimitError"),
}
every_sdk = pytest.mark.parametrize("name", CALLS)
every_persistent_sdk = pytest.mark.parametrize("name", [name for name in CALLS if "interaction" not in name])
"""Those that try again, too, where they had no answer."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDKs that cannot be told how long to wait between attempts do not wait."""
    stand_ins = (
        ("boto3", "botocore.endpoint", "time", SimpleNamespace(sleep=lambda seconds: None)),
        ("cohere", "cohere.core.http_client", "INITIAL_RETRY_DELAY_SECONDS", 0.0),
        ("google.genai", "google.genai._gaos.utils.retries", "_get_sleep_interval", lambda *args, **kwargs: 0.0),
    )
    for package, module, name, stand_in in stand_ins:
        if is_installed(package):
            monkeypatch.setattr(importlib.import_module(module), name, stand_in)


def limits(requests: int = 100) -> Policy:
    return Policy("p", (Limit("few", "requests", requests, DAY), Limit("out", "output_tokens", 10_000, DAY)))


def used(handle: tollkeeper.Instrumentation) -> dict[str, tuple[int, int]]:
    handle.flush()
    return {status.limit.name: (status.used, status.held) for status in handle.limits()}


def error_class(path: str) -> type[Exception]:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


@every_sdk
def test_an_attempt_too_many_is_denied(instrumented: Instrument, provider: Provider, name: str) -> None:
    call, error = CALLS[name]
    handle = instrumented(policy=limits(requests=2))
    provider.script = [503] * 10
    with pytest.raises(tollkeeper.Denied, match="used 2 requests") as caught:
        call(provider.url)
    assert isinstance(caught.value, error_class(error))
    assert len(provider.seen) == 2, "what is denied is not sent, nor tried again"
    assert used(handle) == {"few": (2, 0), "out": (0, 0)}


@every_sdk
def test_what_was_refused_costs_nothing(instrumented: Instrument, provider: Provider, name: str) -> None:
    handle = instrumented(policy=limits())
    provider.script = [503, 429]
    CALLS[name][0](provider.url)
    assert len(provider.seen) == 3
    assert used(handle) == {"few": (3, 0), "out": (USED, 0)}


@pytest.mark.parametrize("name", [name for name in CALLS if "cohere" not in name])
def test_what_a_gateway_gave_up_is_charged_at_its_most(instrumented: Instrument, provider: Provider, name: str) -> None:
    """Cohere's SDK tells nobody what it was answered with, before it tries again."""
    handle = instrumented(policy=limits())
    provider.script = [504]
    CALLS[name][0](provider.url)
    assert len(provider.seen) == 2
    assert used(handle) == {"few": (2, 0), "out": (MOST + USED, 0)}


@every_persistent_sdk
def test_what_was_not_answered_is_charged_at_its_most(instrumented: Instrument, provider: Provider, name: str) -> None:
    handle = instrumented(policy=limits())
    provider.script = [SILENCE]
    CALLS[name][0](provider.url)
    assert len(provider.seen) == 2
    assert used(handle) == {"few": (2, 0), "out": (MOST + USED, 0)}


@every_persistent_sdk
def test_what_was_never_sent_costs_nothing(instrumented: Instrument, name: str) -> None:
    handle = instrumented(policy=limits(requests=3))
    with pytest.raises(tollkeeper.Denied):
        CALLS[name][0]("http://127.0.0.1:9")
    assert used(handle)["out"] == (0, 0)


@every_sdk
def test_without_limits_an_sdk_tries_as_often_as_ever(instrumented: Instrument, provider: Provider, name: str) -> None:
    instrumented()
    provider.script = [503, 503]
    CALLS[name][0](provider.url)
    tollkeeper.uninstrument()
    provider.script = [503, 503]
    CALLS[name][0](provider.url)
    assert len(provider.seen) == 6


@pytest.mark.parametrize("is_async", [False, True])
def test_the_pieces_of_one_call_are_tried_again_within_its_limits(
    instrumented: Instrument, provider: Provider, is_async: bool
) -> None:
    """Cohere's older client sends a long list of texts in pieces, from threads that no context comes along to."""
    cohere_sdk = pytest.importorskip("cohere")
    texts = ["x"] * 200

    def embed() -> Any:
        asked: dict[str, Any] = {"model": "embed-english-v3.0", "texts": texts, "input_type": "search_document"}
        if not is_async:
            return cohere_sdk.Client("none", base_url=provider.url).embed(**asked)

        async def call() -> Any:
            return await cohere_sdk.AsyncClient("none", base_url=provider.url).embed(**asked)

        return asyncio.run(call())

    handle = instrumented(policy=limits(requests=4))
    provider.script = [503, 503]
    embed()
    assert len(provider.seen) == 5, "three pieces, two of them twice"
    assert used(handle)["few"] == (3, 0), "one call, and two further attempts"
    provider.script = [503] * 10
    with pytest.raises(tollkeeper.Denied):
        embed()
    assert used(handle)["few"] == (4, 0)


def test_an_attempt_within_anothers_call_is_none_of_its_own(instrumented: Instrument, provider: Provider) -> None:
    """Of two SDKs, one inside of the other, the outer one's call is counted: so are its attempts alone."""
    handle = instrumented(policy=limits())
    provider.script = [503, 503]
    mistral_sdk = pytest.importorskip("mistralai.client")
    httpx = importlib.import_module("mistralai.client.utils.retries").httpx

    class Asks(httpx.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            cohere(provider.url)
            return httpx.Response(200, json=MISTRAL)

    client = mistral_sdk.Mistral(api_key="none", server_url=provider.url, client=httpx.Client(transport=Asks()))
    client.chat.complete(**MISTRAL_ASKED)
    assert len(provider.seen) == 3
    assert used(handle) == {"few": (1, 0), "out": (USED, 0)}


class Disconnected(Exception):
    """Stands in for what aiohttp raises where the server has hung up."""


class Session:
    """Stands in for aiohttp's: the first request is lost, the second is answered."""

    closed = False

    def __init__(self) -> None:
        self.sent = 0

    async def request(self, **_: Any) -> Any:
        self.sent += 1
        if self.sent == 1:
            raise Disconnected

        async def text() -> str:
            return json.dumps(GEMINI)

        return SimpleNamespace(headers={}, text=text)


@pytest.mark.parametrize("requests", [1, 100])
def test_what_google_sends_again_within_an_attempt_is_one_more(
    instrumented: Instrument, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    """Over aiohttp, where no retries were asked for."""
    genai = pytest.importorskip("google.genai")
    client_module = importlib.import_module("google.genai._api_client")
    names = ("ClientConnectorError", "ClientConnectorDNSError", "ClientOSError", "ServerDisconnectedError")
    stand_in = SimpleNamespace(**dict.fromkeys(names, Disconnected), ClientTimeout=lambda total: None)

    async def at_once(_: float) -> None:
        pass

    async def no_error(_: Any) -> None:
        pass

    monkeypatch.setattr(client_module, "aiohttp", stand_in, raising=False)
    monkeypatch.setattr(client_module, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": at_once}))
    monkeypatch.setattr(client_module.BaseApiClient, "_use_aiohttp", lambda self: True)
    monkeypatch.setattr(client_module.BaseApiClient, "_ensure_aiohttp_ssl_ctx", lambda self, *_, **__: {})
    monkeypatch.setattr(client_module.errors.APIError, "raise_for_async_response", no_error)
    handle, session = instrumented(policy=limits(requests)), Session()

    async def call() -> Any:
        client = genai.Client(api_key="key", http_options={"base_url": "http://google.test"})
        client._api_client._http_options.aiohttp_client = session
        client._api_client._async_client_session_request_args = {}
        return await client.aio.models.generate_content(**GEMINI_ASKED)

    if requests == 1:
        with pytest.raises(tollkeeper.Denied):
            asyncio.run(call())
        assert session.sent == 1
        assert used(handle) == {"few": (1, 0), "out": (MOST, 0)}
    else:
        asyncio.run(call())
        assert session.sent == 2
        assert used(handle) == {"few": (2, 0), "out": (MOST + USED, 0)}
