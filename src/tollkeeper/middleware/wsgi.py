"""WSGI: Flask, Django, Bottle and others.

    app.wsgi_app = WSGIMiddleware(app.wsgi_app)

Flask answers 500 to what its views raise, unless it has a handler: see `tollkeeper.middleware.flask`. What a stream
raises is seen here only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tollkeeper.capture.denied import Denied
from tollkeeper.middleware import answer

Environ = Mapping[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[Any, Any], Iterable[bytes]]


class WSGIMiddleware:
    """Answers 429 where the app raises `Denied` before it has sent a byte; every other exception passes.

    The first piece of a streamed answer is asked for before the answer is started, as 200 cannot be taken back.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start = _Start(start_response)
        pieces: Iterable[bytes] = ()
        try:
            pieces = self.app(environ, start)
            if isinstance(pieces, list | tuple) or _is_file(pieces, environ):
                start.flush()
                return pieces
            iterator = iter(pieces)
            first = next((piece for piece in iterator if piece), b"")
        except Exception as error:
            _close(pieces)
            denied = answer.denied_in(error)
            if denied is None or start.was_sent:
                raise
            return _answer(denied, start_response)
        except BaseException:
            _close(pieces)
            raise
        start.flush()
        return _Rest(first, iterator, pieces)


class _Start:
    """What the app starts its answer with, held back until there is something to follow it."""

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response
        self._arguments: tuple[Any, ...] | None = None
        self._write: Callable[[bytes], object] | None = None

    @property
    def was_sent(self) -> bool:
        return self._write is not None

    def __call__(self, *arguments: Any) -> Callable[[bytes], object]:
        if self._write is not None:
            return self._start_response(*arguments)  # only with `exc_info`: the server raises it
        self._arguments = arguments
        return self._write_now

    def _write_now(self, piece: bytes) -> object:
        self.flush()
        assert self._write is not None
        return self._write(piece)

    def flush(self) -> None:
        if self._write is None and self._arguments is not None:
            self._write = self._start_response(*self._arguments)


class _Rest:
    """The answer, its first piece already asked for. Closing it closes the app's own."""

    def __init__(self, first: bytes, rest: Iterator[bytes], pieces: Iterable[bytes]) -> None:
        self._first = first
        self._rest = rest
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        yield from self._rest

    def close(self) -> None:
        _close(self._pieces)


def _is_file(pieces: Any, environ: Environ) -> bool:
    """Whether the server knows a quicker way to send it."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(pieces, wrapper)


def _close(pieces: Any) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def _answer(denied: Denied, start_response: StartResponse) -> list[bytes]:
    body = answer.body(denied)
    headers = {**answer.headers(denied), "content-length": str(len(body))}
    start_response(answer.STATUS_LINE, [(name.title(), text) for name, text in headers.items()])
    return [body]
