"""Real FastAPI and Flask apps behind real servers: who comes when a limit is used up gets 429, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest

pytest.importorskip("flask", reason="the environment of the previous SDKs has no Flask")

import fastapi  # noqa: E402
import flask  # noqa: E402
from fastapi.responses import StreamingResponse  # noqa: E402

import tollkeeper  # noqa: E402
from middleware.hammer import Answer, get, hammer, serving_asgi, serving_wsgi, statuses  # noqa: E402
from tollkeeper.middleware import ASGIMiddleware, WSGIMiddleware  # noqa: E402
from tollkeeper.middleware import fastapi as for_fastapi  # noqa: E402
from tollkeeper.middleware import flask as for_flask  # noqa: E402
from tollkeeper.model import Limit, Window  # noqa: E402
from tollkeeper.policy import Policy  # noqa: E402
from tollkeeper.simulator import Simulator  # noqa: E402

ALLOWED = 20
ASKED = 60
MONTH = 31 * 86_400
POLICY = Policy("p", (Limit("few", "requests", ALLOWED, Window("month"), per=("tenant",)),))
ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def fastapi_app(url: str, *, handler: bool, middleware: bool) -> fastapi.FastAPI:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="any")
    async_client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any")
    app = fastapi.FastAPI()
    if handler:
        app.add_exception_handler(tollkeeper.Denied, for_fastapi.denied_handler)
    if middleware:
        app.add_middleware(ASGIMiddleware)

    @app.get("/async")
    async def ask_async() -> str:
        with tollkeeper.tags(tenant="acme"):
            return (await async_client.chat.completions.create(**ASK)).model

    @app.get("/sync")
    def ask() -> str:
        with tollkeeper.tags(tenant="acme"):
            return client.chat.completions.create(**ASK).model

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(pieces(client), media_type="text/plain")

    @app.get("/async-stream")
    async def stream_async() -> StreamingResponse:
        async def told() -> AsyncIterator[str]:
            with tollkeeper.tags(tenant="acme"):
                stream = await async_client.chat.completions.create(**ASK, stream=True)
            async for chunk in stream:
                yield chunk.choices[0].delta.content or ""

        return StreamingResponse(told(), media_type="text/plain")

    @app.get("/late")
    def late() -> StreamingResponse:
        return StreamingResponse(first_then(client), media_type="text/plain")

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("the app's own")

    return app


def flask_app(url: str, *, handler: bool, middleware: bool) -> flask.Flask:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="any")
    app = flask.Flask(__name__)
    if handler:
        app.register_error_handler(tollkeeper.Denied, for_flask.denied_handler)
    if middleware:
        app.wsgi_app = WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]

    @app.get("/sync")
    def ask() -> str:
        with tollkeeper.tags(tenant="acme"):
            return client.chat.completions.create(**ASK).model

    @app.get("/stream")
    def stream() -> flask.Response:
        return flask.Response(pieces(client), mimetype="text/plain")

    @app.get("/late")
    def late() -> flask.Response:
        return flask.Response(first_then(client), mimetype="text/plain")

    @app.get("/broken")
    def broken() -> str:
        raise ValueError("the app's own")

    return app


def pieces(client: openai.OpenAI) -> Iterator[str]:
    with tollkeeper.tags(tenant="acme"):
        stream = client.chat.completions.create(**ASK, stream=True)
    for chunk in stream:
        yield chunk.choices[0].delta.content or ""


def first_then(client: openai.OpenAI) -> Iterator[str]:
    yield "a first piece; "
    yield from pieces(client)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def check_denied(answer: Answer) -> None:
    assert answer.headers["content-type"] == "application/json"
    assert 0 < int(answer.headers["retry-after"]) <= MONTH
    assert answer.headers["x-tollkeeper-limit"] == "few"
    said = answer.json()
    assert said["detail"] == "Rate limit exceeded: requests_per_month"
    assert (said["limit"], said["scope"], said["reason"]) == ("few", {"tenant": "acme"}, "used_up")
    assert said["resets_at"].endswith("-01T00:00:00Z")


def check_hammered(simulator: Simulator, answers: list[Answer]) -> None:
    assert statuses(answers) == {200: ALLOWED, 429: ASKED - ALLOWED}
    assert len(simulator.requests) == ALLOWED, "what is denied is not sent"
    for answer in answers:
        if answer.status == 429:
            check_denied(answer)


@pytest.mark.parametrize(
    ("path", "handler", "middleware"),
    [
        ("/async", True, False),
        ("/async", False, True),
        ("/sync", True, False),
        ("/sync", False, True),
        ("/sync", True, True),
        ("/stream", False, True),
        ("/stream", True, True),
        ("/async-stream", False, True),
        ("/async-stream", True, True),
    ],
)
def test_fastapi_under_load(
    path: str, handler: bool, middleware: bool, instrumented: Callable[..., Any], simulator: Simulator
) -> None:
    instrumented(policy=POLICY)
    with serving_asgi(fastapi_app(simulator.url, handler=handler, middleware=middleware)) as port:
        check_hammered(simulator, hammer(port, path, ASKED))
        assert get(port, "/broken").status == 500


@pytest.mark.parametrize(
    ("path", "handler", "middleware"), [("/sync", True, False), ("/stream", False, True), ("/stream", True, True)]
)
def test_flask_under_load(
    path: str, handler: bool, middleware: bool, instrumented: Callable[..., Any], simulator: Simulator
) -> None:
    instrumented(policy=POLICY)
    with serving_wsgi(flask_app(simulator.url, handler=handler, middleware=middleware)) as port:
        check_hammered(simulator, hammer(port, path, ASKED))
        assert get(port, "/broken").status == 500


@pytest.mark.parametrize("serve", ["fastapi", "flask"])
def test_an_answer_that_has_begun_is_broken_off(
    serve: str, instrumented: Callable[..., Any], simulator: Simulator
) -> None:
    import http.client  # noqa: PLC0415

    instrumented(policy=Policy("p", (Limit("none", "requests", 0, Window("month")),)))
    if serve == "fastapi":
        server = serving_asgi(fastapi_app(simulator.url, handler=True, middleware=True))
    else:
        server = serving_wsgi(flask_app(simulator.url, handler=True, middleware=True))
    with server as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/late")
        response = connection.getresponse()
        assert response.status == 200
        try:
            said = response.read()
        except http.client.IncompleteRead as broken:
            said = broken.partial
        connection.close()
    assert b"Rate limit" not in said
    assert said in (b"a first piece; ", b"")
    assert not simulator.requests
