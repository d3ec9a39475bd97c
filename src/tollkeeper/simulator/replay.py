"""Recorded answers, and which of them answers a request.

In order: the one that the header `X-Recording` names; then, at the same path, the same body; the same model, stream and
conversation; the same stream and conversation; and, unless strict, the same model and stream; the same stream. Where
several fit a rule, they take turns. The service that a `/@service` prefix names is the only one to answer; without one
the usual owner of the path comes first.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tollkeeper.simulator.exchange import Answer, Refused, Request, read_target

Match = Literal["id", "body", "conversation", "loose", "model", "path", "none"]

CONVERSATION_FIELDS = """
messages input contents prompt system instructions systemInstruction message chat_history texts content query
documents inputText inputs requests instances
"""
CONVERSATION = frozenset(CONVERSATION_FIELDS.split())
OWNERS = (
    (r"/openai/deployments/", ("azure",)),
    (r"/openai/v1/", ("groq", "azure")),
    (r"/api/v1/", ("openrouter",)),
    (r"/v1/messages", ("anthropic",)),
    (r"/v1/complete$", ("anthropic",)),
    (r"/v1beta/|/v1alpha/", ("gemini",)),
    (r"/v1beta1/|/v1/projects/", ("vertex",)),
    (r"/api/", ("ollama",)),
    (r"/model/", ("bedrock",)),
    (r"/v[12]/chat$", ("cohere",)),
    (r"/v1/", ("openai",)),
)
"""Whose path it is when nobody is named; the first row that fits."""

UPGRADED = 101
"""The status of a websocket session, which cannot be replayed as one answer."""

HOP_HEADERS = frozenset(("content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"))
EVENT_ENDS = re.compile(r".*?(?:\r\n\r\n|\n\n|\r\r)|.+$", re.S)
MODEL_IN_PATH = re.compile(r"/(?:models|model|deployments)/([^/:]+(?::\d+)?)")
STREAM_IN_PATH = re.compile(r":stream\w+$|-stream$")
OLLAMA_STREAM = re.compile(r"/api/(chat|generate)$")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request decides which recording answers it."""

    path: str
    stream: bool
    model: str | None
    body: bytes | None
    conversation: bytes | None

    @classmethod
    def of(cls, path: str, body: Any) -> Asked:
        said = {key: body[key] for key in CONVERSATION & body.keys()} if isinstance(body, dict) else {}
        return cls(
            path,
            _is_stream(path, body),
            _model(path, body),
            None if body is None else _digest(body),
            _digest(said) if said else None,
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded exchange. `response` is as it is in the file."""

    id: str
    provider: str
    method: str
    asked: Asked
    response: Mapping[str, Any]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Recording:
        sent = data["request"]
        path = read_target(sent["path"])[1]
        asked = Asked.of(path, sent["body"])
        return cls(data["id"], data["provider"], sent["method"], asked, data["response"])

    @property
    def status(self) -> int:
        return int(self.response["status"])

    def answer(self, request: Request) -> Answer:
        """The recorded answer, its stream in the steps in which the provider sent it."""
        headers = {name: value for name, value in self.response["headers"].items() if name not in HOP_HEADERS}
        headers["x-recording-id"] = self.id
        as_events = request.query.get("alt") == "sse" and self._is_list_of_chunks()
        if as_events:
            headers["content-type"] = "text/event-stream"
        if as_events or not self.response.keys().isdisjoint(("sse", "ndjson", "events")):
            return Answer(self.status, headers, pieces=list(self._pieces(as_events)))
        return Answer(self.status, headers, b"".join(self._pieces(False)))

    def _is_list_of_chunks(self) -> bool:
        """Gemini streams one JSON list to who does not ask for events; such a recording can serve both."""
        return self.asked.stream and self.status < 400 and isinstance(self.response.get("body"), list)

    def _pieces(self, as_events: bool) -> Iterator[bytes]:
        response = self.response
        if as_events:
            for chunk in response["body"]:
                yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n"
        elif "sse" in response:
            yield from (part.encode() for part in EVENT_ENDS.findall(response["sse"]))
        elif "ndjson" in response:
            yield from (line.encode() for line in response["ndjson"].splitlines(keepends=True))
        elif "body_base64" in response:
            raw = base64.b64decode(response["body_base64"])
            yield from _frames(raw) if "events" in response else (raw,)
        elif "body" in response:
            yield json.dumps(response["body"], ensure_ascii=False).encode()
        else:
            yield str(response.get("text", "")).encode()


class Library:
    """The recordings of some folders."""

    def __init__(self, folders: Iterable[Path | str], strict: bool = False):
        self.strict = strict
        self.by_id: dict[str, Recording] = {}
        self._at: dict[tuple[str, str], list[Recording]] = defaultdict(list)
        self._turns: dict[object, int] = defaultdict(int)
        self._lock = threading.Lock()
        for file in (file for folder in folders for file in _files(Path(folder))):
            recording = Recording.read(json.loads(file.read_text(encoding="utf-8")))
            if recording.status != UPGRADED:
                self.by_id[recording.id] = recording
        for recording in self.by_id.values():
            self._at[recording.method, recording.asked.path].append(recording)

    def __len__(self) -> int:
        return len(self.by_id)

    def find(self, request: Request) -> tuple[Recording | None, Match]:
        """The recording that answers, and the rule that found it; `Refused` when one is named that is not here."""
        if named := request.headers.get("x-recording"):
            if named not in self.by_id:
                raise Refused(404, f"No recording is called {named!r}.", code="unknown_recording")
            return self.by_id[named], "id"
        pool = self._at.get((request.method, request.path), [])
        if not pool:
            return None, "none"
        owners = () if request.service else _owners(request.path)
        if request.service:
            pool = [recording for recording in pool if recording.provider == request.service]
        pool = sorted(pool, key=lambda recording: recording.provider not in owners)
        return self._choose(pool, request, owners)

    def reset(self) -> None:
        """Begin all turns anew."""
        with self._lock:
            self._turns.clear()

    def _choose(
        self, pool: list[Recording], request: Request, owners: tuple[str, ...]
    ) -> tuple[Recording | None, Match]:
        asked = Asked.of(request.path, request.body)
        for rule, fits in RULES:
            is_guess = rule in ("model", "path")
            if is_guess and self.strict:
                break
            found = [recording for recording in pool if fits(recording.asked, asked)]
            if is_guess:
                # A guess is the owner's, if he has one, and not a recorded failure where there is a success.
                found = [recording for recording in found if recording.provider in owners] or found
                found = [recording for recording in found if recording.status < 400] or found
            if rule == "body" and found:
                return found[0], rule
            if found:
                turn = (rule, request.method, request.path, request.service, asked.model, asked.stream)
                return self._next(turn, found), rule
        return None, "none"

    def _next(self, turn: object, found: list[Recording]) -> Recording:
        with self._lock:
            number = self._turns[turn]
            self._turns[turn] += 1
        return found[number % len(found)]


def _same_conversation(one: Asked, other: Asked) -> bool:
    return one.stream == other.stream and one.conversation is not None and one.conversation == other.conversation


RULES: tuple[tuple[Match, Callable[[Asked, Asked], bool]], ...] = (
    ("body", lambda one, other: one.body == other.body),
    ("conversation", lambda one, other: one.model == other.model and _same_conversation(one, other)),
    ("loose", _same_conversation),
    ("model", lambda one, other: one.model == other.model and one.stream == other.stream),
    ("path", lambda one, other: one.stream == other.stream),
)


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise ValueError(f"simulator: recordings={str(folder)!r} was expected to be a folder")
    return (file for file in sorted(folder.rglob("*.json")) if file.name != "INDEX.json")


def _owners(path: str) -> tuple[str, ...]:
    return next((owners for pattern, owners in OWNERS if re.match(pattern, path)), ())


def _digest(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()


def _is_stream(path: str, body: Any) -> bool:
    if STREAM_IN_PATH.search(path):
        return True
    if not isinstance(body, dict):
        return False
    if OLLAMA_STREAM.fullmatch(path):
        return body.get("stream", True) is not False
    return bool(body.get("stream"))


def _model(path: str, body: Any) -> str | None:
    if isinstance(body, dict):
        for holder in (body, body.get("_multipart")):
            if isinstance(holder, dict) and isinstance(holder.get("model"), str):
                return str(holder["model"])
    match = MODEL_IN_PATH.search(path)
    return match[1] if match else None


def _frames(raw: bytes) -> Iterator[bytes]:
    """The messages of an AWS event stream; each begins with its own length."""
    start = 0
    while start < len(raw):
        (length,) = struct.unpack_from(">I", raw, start)
        yield raw[start : start + length]
        start += length
