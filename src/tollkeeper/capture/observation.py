"""One call while it runs: its span, its clock, and its end, which comes exactly once."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from tollkeeper.capture import faults
from tollkeeper.model import Call

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from tollkeeper.capture.contract import Adapter, Request
    from tollkeeper.capture.emit import Emitter
    from tollkeeper.storage.admission import Ticket

_forks = 0
"""How many forks there were between the first process and this one. `os.getpid` would ask the kernel each time."""


def _has_forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_has_forked)


class Fold(Protocol):
    """Reads the chunks of one stream, one by one, and writes what they say into the call when the stream has ended."""

    def __call__(self, chunk: Any, /) -> bool | None:
        """Read a chunk. True hides it from the caller: it is there only because we asked for it."""

    def end(self, call: Call) -> bool:
        """Write what was read into `call`. Says whether the provider had finished its answer."""


class Observation:
    """What the flow, the stream tap and the finaliser share about one call."""

    __slots__ = (
        "adapter",
        "answer",
        "call",
        "chunks",
        "emitter",
        "ended",
        "first_chunk_at",
        "fold",
        "forks",
        "mark",
        "request",
        "span",
        "started",
        "ticket",
    )

    def __init__(
        self, request: Request, adapter: Adapter, emitter: Emitter, span: Span, ticket: Ticket | None = None
    ) -> None:
        self.request = request
        self.call = request.call
        self.adapter = adapter
        self.emitter = emitter
        self.span = span
        self.answer: Any = None
        self.fold: Fold | None = None
        self.ended = False
        self.mark: tuple[str, int] | None = None
        """By what the spool knows that the call was begun."""
        self.ticket = ticket
        """What the call holds of its limits, until it is settled."""
        self.first_chunk_at: float | None = None
        self.chunks = 0
        self.forks = _forks
        self.started = perf_counter()

    def answered(self, answer: Any) -> Any:
        """The provider has answered: read it, or watch the stream that it is. Returns what the caller gets."""
        if self.emitter.content is not None:
            self.answer = answer
        try:
            return self.adapter.receive(self, answer)
        except Exception as fault:  # noqa: BLE001  the boundary to foreign answers: an odd one is the caller's all the same
            faults.report("read an answer", fault)
            self.end()
            return answer

    def end(self, error: BaseException | None = None) -> None:
        """The call is over. Only the first word counts.

        In a forked child it is none of the child's business: the parent goes on with the call, and settles it.
        """
        if self.ended:
            return
        self.ended = True
        if self.forks != _forks:
            return
        self.call.duration = duration = perf_counter() - self.started
        try:
            if error is not None:
                self.adapter.read_error(self.call, error)
            if self.fold is not None:
                self._read_stream(self.fold, error, duration)
        except Exception as fault:  # noqa: BLE001  the boundary between foreign objects and the record of them
            faults.report("end a call", fault)
        try:
            self.emitter.finish(self, error)
        except Exception as fault:  # noqa: BLE001  the boundary: the caller may be in the middle of reading his stream
            faults.report("record a call", fault)

    def _read_stream(self, fold: Fold, error: BaseException | None, duration: float) -> None:
        call = self.call
        call.chunks = self.chunks
        if self.first_chunk_at is not None:
            call.time_to_first_chunk = self.first_chunk_at - self.started
        if error is not None and (read_stream_error := getattr(self.adapter, "read_stream_error", None)):
            read_stream_error(fold, error)
        complete = fold.end(call)
        call.abandoned = not complete and error is None
        if complete and error is None and self.chunks > 1 and self.first_chunk_at is not None:
            # A clock read for each chunk would cost as much as the rest of the tap; the end follows the last chunk.
            call.time_per_chunk = (self.started + duration - self.first_chunk_at) / (self.chunks - 1)
