"""What travels between the server and the protocols: a request that was read, and an answer to be sent."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tollkeeper.simulator.knobs import Knobs

SERVICE = re.compile(r"^/@([\w-]+)(/.*)?$")
FORM_FIELD = re.compile(rb'name="([^";]+)"(?:\r\n[^\r\n]+)*\r\n\r\n(.*?)\r\n--', re.S)
LONGEST_FORM_FIELD = 2000
"""A form field that is longer is a file, which no recording holds."""


class Refused(Exception):
    """The request gets an error, which the server words as the provider would."""

    def __init__(self, status: int, message: str | None = None, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read. `path` is decoded and without the `/@service` before it, which is `service`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: Any
    service: str | None = None
    knobs: Knobs = field(default_factory=Knobs)
    place: Mapping[str, str] = field(default_factory=dict)
    """What the route's pattern found in the path."""
    pairs: tuple[tuple[str, str], ...] = ()
    """The query as it was sent: in `query`, the last of several values counts."""

    def object(self) -> dict[str, Any]:
        """The body of a request that has to be a JSON object."""
        if not isinstance(self.body, dict):
            raise Refused(400, "The body of the request is not a JSON object.")
        return self.body


@dataclass(slots=True)
class Answer:
    """One answer: a body, or the pieces of a stream."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Iterable[bytes] | None = None


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"content-type": "application/json", **(headers or {})}, json_bytes(value))


def event_stream(pieces: Iterable[bytes], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, {"content-type": "text/event-stream; charset=utf-8", **(headers or {})}, pieces=pieces)


def event(value: object, name: str | None = None) -> bytes:
    """One server-sent event."""
    data = b"data: " + json_bytes(value) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


def read_target(target: str) -> tuple[str | None, str, dict[str, str]]:
    """The service that a request's target names, its path, and its query."""
    parts = urllib.parse.urlsplit(target)
    path = re.sub(r"/+", "/", urllib.parse.unquote(parts.path)).rstrip("/") or "/"
    query = dict(urllib.parse.parse_qsl(parts.query)) if parts.query else {}
    match = SERVICE.match(path)
    return (match[1], match[2] or "/", query) if match else (None, path, query)


def read_pairs(target: str) -> tuple[tuple[str, str], ...]:
    """All parameters of a request's target, in their order."""
    return tuple(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))


def read_body(raw: bytes, content_type: str) -> Any:
    """The body as JSON; a form's short fields under `_multipart`; `None` for anything else."""
    if not raw:
        return None
    if content_type.startswith("multipart/"):
        form = {
            name.decode(): value.decode("utf-8", "replace")
            for name, value in FORM_FIELD.findall(raw)
            if len(value) < LONGEST_FORM_FIELD
        }
        return {"_multipart": form, "stream": form.get("stream") == "true"}
    try:
        return json.loads(raw)
    except ValueError:
        return None
