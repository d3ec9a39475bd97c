"""How one request gets its answer: its knobs, then an injected error, a recording, an answer of our own, or a 404."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from tollkeeper.simulator import errors, knobs, routes
from tollkeeper.simulator.exchange import Answer, Refused, Request
from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.replay import Library, Recording
from tollkeeper.simulator.world import World

KNOB_HEADERS = ("x-simulator", "x-replay-fault")
HANG_UP = 0
KINDS = {"embeddings": "embeddings", "moderations": "moderations"}
"""What OpenAI counts apart from completions, by the end of the path."""
CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


class Cut(Exception):
    """The connection ends here, whatever was still to come."""


class Injected(Refused):
    """An error that the knobs asked for."""


@dataclass(slots=True)
class Dispatched:
    """`match` says where the answer is from: `made`, `fault`, `refused`, or the rule by which a recording was found."""

    answer: Answer
    match: str
    knobs: Knobs


@dataclass(frozen=True, slots=True)
class Provider:
    """A simulated provider without its sockets. `keys`: the only credentials that it takes; `None`: any, or none."""

    world: World
    knobs: Knobs = field(default_factory=Knobs)
    library: Library | None = None
    makes_answers: bool = True
    keys: Collection[str] | None = None

    def answer(self, request: Request) -> Dispatched:
        """The answer; `Cut` when the request gets none at all."""
        found = routes.route(request)
        form = request.service or (found[0].provider if found else "openai")
        turned, match = self.knobs, "made"
        try:
            turned = self._turned(request)
            recording, match = self._recorded(request)
            form = recording.provider if recording else form
            self._refuse(request, turned, form)
            answer = recording.answer(request) if recording else self._make(request, found, turned)
        except Refused as error:
            match = "fault" if isinstance(error, Injected) else "refused"
            answer = errors.refusal(error, form, turned, self.world)
        if answer.pieces is not None:
            answer.pieces = self._spoil(answer, answer.pieces, turned, form)
        return Dispatched(answer, match, turned)

    def _turned(self, request: Request) -> Knobs:
        turned = self.knobs
        for name in KNOB_HEADERS:
            try:
                turned = knobs.from_header(turned, request.headers.get(name, ""))
            except ValueError as error:
                raise Refused(400, str(error)) from error
        return turned

    def _recorded(self, request: Request) -> tuple[Recording | None, str]:
        if self.library is None:
            return None, "made"
        return self.library.find(request)

    def _refuse(self, request: Request, turned: Knobs, form: str) -> None:
        status = turned.status if turned.fail is None else None
        if status is None and self.world.happens(turned.error_rate):
            status = turned.error_status[self.world.pick(len(turned.error_status))]
        if status == HANG_UP:
            raise Cut
        if status is not None:
            raise Injected(status)
        if self.keys is not None and credential(request) not in self.keys:
            raise Refused(400 if form == "gemini" else 401, errors.MESSAGES[401])
        if turned.refuse and _has(request.body, turned.refuse):
            message = f"Unknown parameter: '{turned.refuse}'."
            raise Injected(400, message, param=turned.refuse, code="unknown_parameter")

    def _make(self, request: Request, found: tuple[routes.Route, Request] | None, turned: Knobs) -> Answer:
        if found is None or not self.makes_answers:
            raise Refused(404, f"There is nothing to answer {request.method} {request.path} with.", code="unknown_url")
        row, placed = found
        self.world.meter.finish()  # what a request that failed half-way has left
        try:
            answer = row.answer(replace(placed, knobs=turned), self.world)
            self._meter(request, row)
            return answer
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            # Something in the body is not what its place is for; a provider would say so too.
            raise Refused(400, f"The request cannot be understood: {error!r}") from error

    def _meter(self, request: Request, row: routes.Route) -> None:
        if (use := self.world.meter.finish()) is None:
            return
        key = credential(request)
        body = request.body if isinstance(request.body, dict) else {}
        tier = body.get("service_tier")
        is_hour = use.cache_write_5m and '"ttl":"1h"' in request.raw.decode(errors="replace").replace(" ", "")
        use = use._replace(
            at=self.world.now(),
            provider=request.service or ("openrouter" if request.path.startswith("/api/v1/") else row.provider),
            kind=KINDS.get(request.path.rpartition("/")[2], "completions"),
            key="key_none" if key is None else f"key_{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}",
            project=request.headers.get("openai-project", use.project),
            tier=tier if tier in ("flex", "priority") else "standard",
        )
        if is_hour:
            use = use._replace(cache_write_5m=0, cache_write_1h=use.cache_write_5m)
        self.world.meter.add([use])

    def _spoil(self, answer: Answer, pieces: Iterable[bytes], turned: Knobs, form: str) -> Iterable[bytes]:
        drop = turned.drop
        if drop is None and self.world.happens(turned.drop_rate):
            pieces = list(pieces)
            drop = 1 + self.world.pick(max(1, len(pieces) - 1))
        if drop is not None:
            return _dropped(pieces, drop)
        if turned.fail is not None:
            last = errors.failure(turned.status or 500, form, answer.headers.get("content-type", ""), self.world)
            return _failed(pieces, turned.fail, last)
        return pieces


def credential(request: Request) -> str | None:
    for name in CREDENTIALS:
        if value := request.headers.get(name):
            return value.removeprefix("Bearer ")
    return request.query.get("key")


def _has(body: object, dotted: str) -> bool:
    for name in dotted.split("."):
        if not isinstance(body, dict) or name not in body:
            return False
        body = body[name]
    return True


def _dropped(pieces: Iterable[bytes], after: int) -> Iterator[bytes]:
    for sent, piece in enumerate(pieces):
        if sent >= after:
            break
        yield piece
    raise Cut


def _failed(pieces: Iterable[bytes], after: int, last: bytes) -> Iterator[bytes]:
    for sent, piece in enumerate(pieces):
        if sent >= after:
            break
        yield piece
    yield last
