"""OTLP over HTTP, as plain ASGI: this is the busiest path of the sidecar."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tollkeeper.sidecar.loopback import is_local
from tollkeeper.sidecar.receive import replies
from tollkeeper.sidecar.receive.body import ENCODINGS, Share, TooLarge
from tollkeeper.sidecar.receive.door import Delivery, Door, Refused
from tollkeeper.sidecar.receive.replies import CONTENT_TYPES, FORMS, Refusal, refusal_body, success
from tollkeeper.sidecar.receive.signals import SIGNALS, Form, Signal

ENCODING_NAMES = {"": "", "identity": "", "x-gzip": "gzip", **{name: name for name in ENCODINGS}}


def routes(door: Door) -> list[BaseRoute]:
    """`/v1/logs`, `/v1/traces`, `/v1/metrics`, and an answer as OTLP has it for all else below `/v1/`."""
    known = [Route(signal.path, _Export(door, signal)) for signal in SIGNALS.values()]
    return [*known, Route("/v1/{rest:path}", _NotFound())]


class _Gone(Exception):
    """The sender went away before its request was complete."""


class _Export:
    """One signal's path."""

    def __init__(self, door: Door, signal: Signal) -> None:
        self._door = door
        self._signal = signal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        form = _form(headers)
        try:
            answer = await self._answer(scope, headers, form, receive)
        except _Gone:
            return
        except Exception as error:  # noqa: BLE001  the guard at this boundary: each failure has its status
            answer = _refused(self._door.refusal("http", self._signal.name, error), form)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, form: Form | None, receive: Receive) -> Response:
        if scope["method"] != "POST":
            raise Refused(Refusal(405, replies.UNIMPLEMENTED, "OTLP is sent by POST"))
        client = scope.get("client")
        await self._door.admit(headers.get("authorization"), is_local(client[0] if client else None, headers))
        encoding = ENCODING_NAMES.get(headers.get("content-encoding", "").strip().lower())
        if form is None:
            raise Refused(_unsupported(f"a Content-Type of {' or '.join(FORMS)} is needed"))
        if encoding is None:
            raise Refused(_unsupported(f"the known Content-Encodings are {' and '.join(ENCODINGS)}"))
        with self._door.share() as share:
            body = await _body(headers, receive, share, self._door.limits.body)
            harvest = await self._door.take("http", Delivery(self._signal.name, form, encoding, body))
        return Response(success(self._signal, form, harvest), 200, {"content-type": CONTENT_TYPES[form]})


class _NotFound:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        paths = ", ".join(signal.path for signal in SIGNALS.values())
        refusal = Refusal(404, replies.NOT_FOUND, f"there is no such path; OTLP is taken at {paths}")
        await _refused(refusal, _form(Headers(scope=scope)))(scope, receive, send)


def _form(headers: Headers) -> Form | None:
    return FORMS.get(headers.get("content-type", "").partition(";")[0].strip().lower())


def _unsupported(message: str) -> Refusal:
    return Refusal(415, replies.INVALID_ARGUMENT, message)


async def _body(headers: Headers, receive: Receive, share: Share, limit: int) -> bytes:
    """The body as it comes. Raises `TooLarge` or `Busy` before more is in memory than may be."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLarge(limit)
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(limit)
        share.take(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _refused(refusal: Refusal, form: Form | None) -> Response:
    """In the request's own form; in JSON, where that is neither of the two."""
    chosen: Form = form or "json"
    headers = {"content-type": CONTENT_TYPES[chosen]}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 405:
        headers["allow"] = "POST"
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status == 415:
        headers["accept-encoding"] = ", ".join(ENCODINGS)
    if refusal.status in (401, 403, 405, 413, 415):
        # The body was not read to its end, and may be long.
        headers["connection"] = "close"
    return Response(refusal_body(refusal, chosen), refusal.status, headers)
