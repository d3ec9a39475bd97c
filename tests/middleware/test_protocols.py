"""What ASGI and WSGI promise to servers and apps holds through the middleware."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from tollkeeper.capture.denied import Denied, denied_as
from tollkeeper.middleware import ASGIMiddleware, WSGIMiddleware
from tollkeeper.model import Denial, Limit, Status, Window

HTTP = {"type": "http"}
START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b""}


def denied(retry_after: float | None = 2.5, name: str = "few") -> Denied:
    limit = Limit(name, "tokens", 9, Window("minute", rolling=True))
    return Denied.of(Denial(Status(limit, {"user": "ü"}, 9, 0, None), 5, retry_after, "used_up"))


def body(text: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": more}


def run_asgi(app: Any, scope: dict[str, Any] = HTTP, **options: Any) -> tuple[list[Any], BaseException | None]:
    """What an app sends through the middleware, and what it fails with."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    try:
        asyncio.run(ASGIMiddleware(app, **options)(scope, receive, send))
    except Exception as error:  # noqa: BLE001  it is what the test looks at
        return sent, error
    return sent, None


def sending(*messages: Any, error: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


class TestASGI:
    def test_answers_pass_as_they_are(self) -> None:
        messages = [START, body(b"a"), body(b""), body(b"b"), END]
        assert run_asgi(sending(*messages)) == (messages, None)

    def test_an_empty_answer_is_one(self) -> None:
        assert run_asgi(sending(START, END)) == ([START, END], None)
        assert run_asgi(sending(START)) == ([START], None)
        assert run_asgi(sending()) == ([], None)

    @pytest.mark.parametrize("before", [(), (START,), (START, body(b""))], ids=["nothing", "start", "empty body"])
    def test_a_denial_before_the_first_byte_is_429(self, before: tuple[Any, ...]) -> None:
        (start, end), error = run_asgi(sending(*before, error=denied()))
        assert error is None and start["status"] == 429
        headers = dict(start["headers"])
        assert headers[b"retry-after"] == b"3" and headers[b"content-type"] == b"application/json"
        assert int(headers[b"content-length"]) == len(end["body"])
        assert json.loads(end["body"]) == {
            "detail": "Rate limit exceeded: tokens_per_minute",
            "limit": "few",
            "scope": {"user": "ü"},
            "reason": "used_up",
            "retry_after": 2.5,
            "resets_at": None,
        }

    def test_a_denial_after_the_first_byte_passes(self) -> None:
        error = denied()
        assert run_asgi(sending(START, body(b"a"), error=error)) == ([START, body(b"a")], error)

    def test_nothing_is_held_back_if_it_must_not_be(self) -> None:
        error = denied()
        assert run_asgi(sending(START, error=error), hold_start=False) == ([START], error)
        assert run_asgi(sending(error=error), hold_start=False)[1] is None

    @pytest.mark.parametrize("error", [ValueError("x"), ExceptionGroup("g", [denied(), ValueError("x")])])
    def test_other_errors_pass(self, error: Exception) -> None:
        assert run_asgi(sending(START, error=error)) == ([], error)

    def test_a_cancelled_request_is_no_denial(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(ASGIMiddleware(app)(HTTP, None, None))  # type: ignore[arg-type]

    def test_a_denial_alone_in_a_group_is_one(self) -> None:
        sent, error = run_asgi(sending(error=ExceptionGroup("a", [ExceptionGroup("b", [denied()])])))
        assert error is None and sent[0]["status"] == 429

    def test_an_sdks_own_is_one_too(self) -> None:
        error = denied_as(LookupError).of(denied().denial, "x")
        assert run_asgi(sending(error=error))[0][0]["status"] == 429

    @pytest.mark.parametrize("kind", ["websocket", "lifespan"])
    def test_only_http_is_looked_at(self, kind: str) -> None:
        error = denied()
        assert run_asgi(sending(START, error=error), {"type": kind}) == ([START], error)

    def test_other_messages_pass_in_their_order(self) -> None:
        hint, path = {"type": "http.response.early_hint"}, {"type": "http.response.pathsend", "path": "/x"}
        assert run_asgi(sending(START, path)) == ([START, path], None)
        assert run_asgi(sending(hint, START, END))[0][-2:] == [START, END]


class Pieces:
    """A streamed answer that knows whether it was closed."""

    def __init__(self, *pieces: bytes, error: BaseException | None = None) -> None:
        self.closed = 0
        self._pieces = pieces
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed += 1


def run_wsgi(app: Callable[..., Any], **environ: Any) -> tuple[str | None, dict[str, str], bytes]:
    """Status, headers and body of what the app answers; the validator raises where the protocol is not kept."""
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        if exc_info is not None and started:
            raise exc_info[1]
        started[:] = [status, dict(headers)]
        return written.append

    written: list[bytes] = []
    given = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **environ,
    }
    pieces = validator(WSGIMiddleware(app))(given, start_response)
    try:
        text = b"".join(pieces)
    finally:
        pieces.close()  # type: ignore[attr-defined]
    return started[0], started[1], b"".join(written) + text


def giving(pieces: Any, error: BaseException | None = None) -> Callable[..., Any]:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        if error is not None:
            raise error
        return pieces

    return app


class TestWSGI:
    @pytest.mark.parametrize("pieces", [[b"a", b"b"], (b"ab",), Pieces(b"a", b"b"), Pieces(b"", b"ab", b"")])
    def test_answers_pass_as_they_are(self, pieces: Any) -> None:
        assert run_wsgi(giving(pieces)) == ("200 OK", {"Content-Type": "text/plain"}, b"ab")
        assert getattr(pieces, "closed", 1) == 1

    def test_an_empty_answer_is_one(self) -> None:
        assert run_wsgi(giving(Pieces()))[::2] == ("200 OK", b"")

    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_denial_before_the_first_byte_is_429(self, streamed: bool) -> None:
        pieces = Pieces(b"", error=denied())
        status, headers, said = run_wsgi(giving(pieces) if streamed else giving((), denied()))
        assert status == "429 Too Many Requests"
        assert headers["Retry-After"] == "3" and int(headers["Content-Length"]) == len(said)
        assert json.loads(said)["detail"] == "Rate limit exceeded: tokens_per_minute"
        assert pieces.closed == streamed

    def test_a_denial_after_the_first_byte_passes(self) -> None:
        pieces = Pieces(b"a", error=denied())
        with pytest.raises(Denied):
            run_wsgi(giving(pieces))
        assert pieces.closed == 1

    @pytest.mark.parametrize("kind", [ValueError, SystemExit])
    def test_other_errors_pass(self, kind: type[BaseException]) -> None:
        pieces = Pieces(error=kind("x"))
        with pytest.raises(kind):
            run_wsgi(giving(pieces))
        assert pieces.closed == 1

    def test_what_was_written_by_hand_has_begun(self) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])(b"a")
            raise denied()

        with pytest.raises(Denied):
            run_wsgi(app)

    def test_an_app_may_start_anew_as_long_as_nothing_was_sent(self) -> None:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])
            try:
                raise ValueError("x")
            except ValueError:
                start_response("500 Oh", [("Content-Type", "text/plain")], sys.exc_info())
            return Pieces(b"sorry")

        assert run_wsgi(app)[::2] == ("500 Oh", b"sorry")

    def test_files_are_left_to_the_server(self) -> None:
        file = FileWrapper(io.BytesIO(b"ab"))
        middleware = WSGIMiddleware(lambda environ, start_response: start_response("200 OK", []) and file)
        assert middleware({"wsgi.file_wrapper": FileWrapper}, lambda *_: print) is file


def test_a_limit_may_have_any_name() -> None:
    (start, _), error = run_asgi(sending(error=denied(name="Größe\r\nX: y")))
    assert error is None
    assert dict(start["headers"])[b"x-tollkeeper-limit"] == b"Gr%C3%B6%C3%9Fe%0D%0AX: y".replace(b":", b"%3A")


def test_waiting_that_does_not_help_is_not_asked_for() -> None:
    (start, _), _ = run_asgi(sending(error=denied(retry_after=None)))
    assert b"retry-after" not in dict(start["headers"])


def test_no_framework_is_imported() -> None:
    code = (
        "import sys, tollkeeper, tollkeeper.middleware;"
        "print({'fastapi', 'starlette', 'flask', 'werkzeug'} & set(sys.modules) or 'none')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "none"
