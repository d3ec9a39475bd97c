"""The provider's own books: what the simulator has handed out, read from the answers that it sends.

They know nothing of Tollkeeper. That both agree, answer by answer, is what the demo shows at its end.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from tollkeeper.simulator import Simulator
from tollkeeper.simulator.dispatch import Dispatched, Provider
from tollkeeper.simulator.exchange import Request


class Tokens(NamedTuple):
    """Of one answer, or of many. The input includes what came from a cache."""

    input: int
    output: int

    def plus(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)


NONE = Tokens(0, 0)


class Books:
    """Pairs the tokens that were handed out with those that were recorded, by the response's id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._only_sent: dict[str, Tokens] = {}
        self._only_recorded: dict[str, Tokens] = {}
        self.requests = self.refused = 0
        self.sent = self.recorded = NONE
        self.equal = 0
        self.unequal: list[str] = []

    @property
    def unpaired(self) -> int:
        """Answers that one side knows of and the other does not."""
        return len(self._only_sent) + len(self._only_recorded)

    def record(self, response_id: str, tokens: Tokens) -> None:
        """Tollkeeper has recorded an answer."""
        with self._lock:
            self.recorded = self.recorded.plus(tokens)
            self._pair(response_id, tokens, self._only_recorded, self._only_sent)

    def send(self, response_id: str, tokens: Tokens) -> None:
        """The simulator sends an answer."""
        with self._lock:
            self.sent = self.sent.plus(tokens)
            self._pair(response_id, tokens, self._only_sent, self._only_recorded)

    def _pair(self, key: str, tokens: Tokens, mine: dict[str, Tokens], others: dict[str, Tokens]) -> None:
        other = others.pop(key, None)
        if other is None:
            mine[key] = tokens
        elif other == tokens:
            self.equal += 1
        else:
            self.unequal.append(key)

    def count_request(self, is_refused: bool) -> None:
        with self._lock:
            self.requests += 1
            self.refused += is_refused


@dataclass(frozen=True)
class KeepsBooks(Provider):
    """A simulated provider that writes down what it hands out."""

    books: Books | None = None

    def answer(self, request: Request) -> Dispatched:
        assert self.books is not None
        dispatched = super().answer(request)
        answer = dispatched.answer
        self.books.count_request(is_refused=answer.status != 200)
        if answer.status == 200:
            if answer.pieces is None:
                reader = _Reader(self.books)
                reader.read(json.loads(answer.body))
            else:
                answer.pieces = _watched(answer.pieces, self.books)
        return dispatched


def keep_books(simulator: Simulator) -> Books:
    """From now on, what this simulator hands out is written down."""
    books = Books()
    provider = simulator.provider
    known = {field.name: getattr(provider, field.name) for field in fields(provider)}
    simulator.provider = KeepsBooks(**known, books=books)
    return books


def _watched(pieces: Iterable[bytes], books: Books) -> Iterator[bytes]:
    reader = _Reader(books)
    for piece in pieces:
        for line in piece.splitlines():
            if line.startswith(b"data: {") and (reader.id is None or b'"usage":{' in line):
                reader.read(json.loads(line.removeprefix(b"data: ")))
        yield piece


class _Reader:
    """Reads one answer, whole or piece by piece."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.id: str | None = None
        self._usage: dict[str, Any] = {}

    def read(self, said: Mapping[str, Any]) -> None:
        inner = said.get("message") or said.get("response") or said
        self.id = self.id or inner.get("id")
        usage = inner.get("usage") or said.get("usage")
        if usage is None or self.id is None:
            return
        self._usage |= usage
        # Anthropic says the input at the beginning of a stream; only what it says at the end is billed.
        if said.get("type") != "message_start":
            self._books.send(self.id, _tokens(self._usage))


def _tokens(usage: Mapping[str, Any]) -> Tokens:
    if "prompt_tokens" in usage:
        return Tokens(usage["prompt_tokens"], usage["completion_tokens"])
    # Anthropic's input leaves out what was read from the cache or written to it; OpenAI has no such fields.
    cached = usage.get("cache_creation_input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
    return Tokens(usage["input_tokens"] + cached, usage["output_tokens"])
