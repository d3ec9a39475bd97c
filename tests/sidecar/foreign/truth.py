"""What the simulator has truly served, read from its answers' bytes, each by the case that asked for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tollkeeper.simulator import Simulator
from tollkeeper.simulator.dispatch import Dispatched
from tollkeeper.simulator.exchange import Request


class Served(NamedTuple):
    """One answer. Counts are as in `Usage`: input with the caches, output with the reasoning; `None`: it says none."""

    case: str
    provider: str
    status: int
    id: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    input: int | None = None
    output: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


class Witness:
    """Stands in for a simulator's provider, and remembers what it answered."""

    def __init__(self, simulator: Simulator) -> None:
        self._provider = simulator.provider
        self.world, self.library = self._provider.world, self._provider.library
        self.served: list[Served] = []
        simulator.provider = self  # type: ignore[assignment]

    def answer(self, request: Request) -> Dispatched:
        dispatched = self._provider.answer(request)
        answer = dispatched.answer
        if answer.pieces is not None:
            answer.pieces = self._watched(request, answer.status, answer.pieces)
        else:
            self._note(request, answer.status, [answer.body])
        return dispatched

    def _watched(self, request: Request, status: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
        # All of it first: a client that has read the last piece finds the note.
        known = list(pieces)
        self._note(request, status, known)
        yield from known

    def _note(self, request: Request, status: int, pieces: list[bytes]) -> None:
        case = request.headers.get("x-case", "")
        provider = "anthropic" if request.path.endswith("/messages") else "openai"
        asked = request.body.get("model") if isinstance(request.body, dict) else None
        said: dict[str, Any] = {}
        for item in _objects(pieces):
            for part in (item, item.get("message"), item.get("response")):
                if isinstance(part, dict):
                    said |= {name: value for name in ("id", "model", "usage") if (value := part.get(name))}
        if status != 200:
            said = {}
        usage = _anthropic(said["usage"]) if provider == "anthropic" and "usage" in said else _openai(said.get("usage"))
        self.served.append(Served(case, provider, status, said.get("id"), asked, said.get("model"), **usage))


def _objects(pieces: list[bytes]) -> Iterator[dict[str, Any]]:
    for piece in pieces:
        lines = [line for line in piece.splitlines() if not line.startswith(b"event:")]
        for line in lines:
            text = line.removeprefix(b"data: ")
            if text.startswith(b"{"):
                yield json.loads(text)


def _openai(usage: dict[str, Any] | None) -> dict[str, int]:
    if not usage:
        return {}
    read = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    made = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    counts = {
        "input": usage.get("prompt_tokens", usage.get("input_tokens")),
        "cache_read": read.get("cached_tokens", 0),
        "reasoning": made.get("reasoning_tokens", 0),
    }
    output = usage.get("completion_tokens", usage.get("output_tokens"))
    return counts if output is None else {**counts, "output": output}


def _anthropic(usage: dict[str, Any]) -> dict[str, int]:
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    return {
        "input": usage["input_tokens"] + read + written,
        "output": usage["output_tokens"],
        "cache_read": read,
        "cache_write": written,
    }
