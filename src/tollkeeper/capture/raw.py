"""Raw and streaming responses: the caller reads the body, however and whenever he likes, and we read along.

Every way to read an httpx response but `iter_raw`, which leaves a body compressed, goes through its `iter_bytes`:
there the bytes are seen, and decoded once more by us. Nothing is parsed, or consumed, for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.capture.contract import Request
from tollkeeper.capture.observation import Observation
from tollkeeper.capture.payload import parse_json
from tollkeeper.capture.watch import Watch, watch
from tollkeeper.model import Call

RAW_RESPONSE_HEADER = "X-Stainless-Raw-Response"
MARK_WITHIN = 4096
"""A file that is a list of results says so this early."""

LARGEST_BODY = 64 * 1024 * 1024
"""A body larger than this is not read along: its usage stays unknown."""


def is_raw(headers: Mapping[str, Any]) -> bool:
    return bool(headers.get(RAW_RESPONSE_HEADER))


class Nothing:
    """The fold of a stream that says nothing about usage."""

    def __call__(self, chunk: Any) -> bool | None:
        return None

    def end(self, call: Call) -> bool:
        return True


def read_whole(request: Request, answer: Any) -> None:
    """Read an answer that is there in full: an object of the SDK's, or the bytes of the body."""
    surface = request.surface
    if surface.read_results is not None:
        content = answer if isinstance(answer, bytes) else getattr(getattr(answer, "response", None), "_content", b"")
        if b'"custom_id"' in content[:MARK_WITHIN]:
            surface.read_results(
                request, (line for text in content.splitlines() if (line := parse_json(text)) is not None)
            )
        return
    if isinstance(answer, bytes):
        answer = parse_json(answer)
    surface.read_response(request.call, answer)


class BodyFold:
    """Reads the bytes of one body: one JSON document, or server-sent events."""

    def __init__(self, request: Request, is_events: bool) -> None:
        self._request = request
        self._events = request.surface.fold(request) if is_events and request.surface.fold is not None else None
        self._buffer = b""
        self._pieces: list[bytes] = []
        self._size = 0

    def __call__(self, chunk: bytes) -> bool | None:
        if self._events is not None:
            self._buffer += chunk
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._read_line(line)
        elif self._size <= LARGEST_BODY:
            self._size += len(chunk)
            self._pieces.append(chunk)
        return None

    def _read_line(self, line: bytes) -> None:
        assert self._events is not None
        if line.startswith(b"data:") and (event := parse_json(line[5:].strip())) is not None:
            self._events(event)

    def end(self, call: Call) -> bool:
        if self._events is not None:
            self._read_line(self._buffer)
            return self._events.end(call)
        if self._size <= LARGEST_BODY:
            read_whole(self._request, b"".join(self._pieces))
        return self._size <= LARGEST_BODY


def receive(observation: Observation, response: Any) -> None:
    """Read a raw response whose body is there already, or read along with the caller."""
    content = getattr(response, "_content", None)
    if isinstance(content, bytes):
        read_whole(observation.request, content)
        observation.end()
        return
    is_events = "event-stream" in response.headers.get("content-type", "")
    watch(response, Watch(observation, fold=BodyFold(observation.request, is_events)))
