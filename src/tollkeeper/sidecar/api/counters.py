"""`/counters`: the sidecar's counters for the apps, as `storage/counters/wire` says. Plain ASGI: calls wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from tollkeeper.model.limit import LARGEST_AMOUNT
from tollkeeper.sidecar.api.answer import Answer
from tollkeeper.sidecar.api.problems import Problem, Refusal, Refused, told_by_pydantic
from tollkeeper.sidecar.limit_watch import LimitWatch
from tollkeeper.sidecar.loopback import is_local
from tollkeeper.storage.access_keys import Scope
from tollkeeper.storage.counters import Charge, Counters, CountersUnavailable, Held, Hold, Level, wire
from tollkeeper.storage.ledger import LedgerUnavailable

log = logging.getLogger("tollkeeper")

LONGEST_BODY = 1024 * 1024
MOST_CHARGES = 1000
MOST_SETTLED = 1000
MOST_BOOKED = 4096
"""Ids that are remembered here, so that what is told of again takes no time; the counters remember all."""
LONGEST_KEY = 4000
FAR = 2**62
"""No moment is later: some hundred years from now, in nanoseconds."""

Authorize = Callable[[str | None, Scope], Awaitable[int | None]]
"""Given the `Authorization` header and what its bearer wants to do: nothing, 401 or 403."""

Amount = Annotated[int, Field(ge=0, le=LARGEST_AMOUNT, strict=True)]
Moment = Annotated[int, Field(ge=0, le=FAR, strict=True)]
Key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]
Row = tuple[Key, Moment, Amount, bool, Literal["period", "rate", "slots"], Moment, Moment, Amount]
Rows = Annotated[list[Row], Field(max_length=MOST_CHARGES)]
"""Charges: key, amount, cap, hard, kind, until, window, burst. More may be asked for than anybody has."""


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Reading(_Question):
    """Which keys to read."""

    charges: Rows


class _Held(_Question):
    id: Key
    owner: Annotated[str, Field(max_length=LONGEST_KEY)]
    expires_at: Moment
    charges: Rows

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        bare = [row[0] for row in self.charges if row[4] == "rate" and not row[6]]
        if bare:
            raise ValueError(f"of a rate, window is the nanoseconds that refill cap; it is 0 of {bare[0]!r}")
        return self

    def hold(self) -> Hold:
        return Hold(self.id, self.owner, self.expires_at, tuple([Charge(*row) for row in self.charges]))


class Settled(_Held):
    """What a call has used, in the order of its charges."""

    amounts: list[Amount]
    assumed: bool = False

    @model_validator(mode="after")
    def _check_amounts(self) -> Self:
        if len(self.amounts) != len(self.charges):
            raise ValueError(f"amounts are {len(self.amounts)}; expected one for each of {len(self.charges)} charges")
        return self


Earlier = Annotated[list[Settled], Field(max_length=MOST_SETTLED)]
"""What is to be booked before."""


class Reservation(_Held):
    """A call that wants to be under way."""

    settled: Earlier = []


class Settlement(Settled):
    """A call that has ended."""

    settled: Earlier = []


Body = TypeVar("Body", bound=_Question)


class NoCounters:
    """In place of counters, where the sidecar has none. Every question is refused."""

    def now(self) -> int:
        raise _NOWHERE

    def reserve(self, hold: Hold) -> Held:
        raise _NOWHERE

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        raise _NOWHERE

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        raise _NOWHERE

    def holds(self) -> Sequence[Hold]:
        raise _NOWHERE

    def close(self) -> None:
        """Nothing is open."""


_NOWHERE = CountersUnavailable("this sidecar has none: start it with --counters redis://HOST:PORT/DB or sqlite:///FILE")


class CounterDesk:
    """Answers for counters. `authorize` is `None` where nobody needs a key.

    `elsewhere`: they are asked over a network, and other requests are answered meanwhile. Counters on this host answer
    sooner than a thread would begin to ask them. `watch` sees what was asked and answered.
    """

    def __init__(
        self,
        counters: Counters,
        authorize: Authorize | None,
        open_on_loopback: bool = False,
        elsewhere: bool = False,
        watch: LimitWatch | None = None,
    ) -> None:
        self._counters = counters
        self._authorize = authorize
        self._open_on_loopback = open_on_loopback
        self._elsewhere = elsewhere
        self._watch = watch
        self._booked: OrderedDict[str, None] = OrderedDict()

    def over(self, app: ASGIApp) -> ASGIApp:
        """An application that answers the four paths itself, and leaves the others to `app`.

        What a framework does before and after would take longer than the answer.
        """
        paths: dict[str, ASGIApp] = {
            f"{wire.ROOT}/reserve": _Path(self, "POST", "write", self._reserve),
            f"{wire.ROOT}/settle": _Path(self, "POST", "write", self._settle),
            f"{wire.ROOT}/read": _Path(self, "POST", "read", self._read),
            f"{wire.ROOT}/holds": _Path(self, "GET", "read", self._holds),
        }

        async def answer(scope: Connection, receive: Receive, send: Send) -> None:
            await paths.get(scope.get("path", ""), app)(scope, receive, send)

        return answer

    async def answer(self, answering: Callable[[bytes], Mapping[str, Any]], body: bytes) -> bytes:
        """The answer to a body that may be asked."""
        if self._elsewhere:
            return await asyncio.to_thread(self._written, answering, body)
        return self._written(answering, body)

    async def admit(self, scope: Scope, connection: Connection) -> None:
        """Raises `Refused` unless the caller may."""
        if self._authorize is None:
            return
        # Looked up in a dictionary: `Headers` goes through all of them each time.
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in connection["headers"]}
        given, client = headers.get("authorization"), connection.get("client")
        if given is None and self._open_on_loopback and is_local(client[0] if client else None, headers):
            return
        status = await self._authorize(given, scope)
        if status == 401:
            problem = Problem(
                message="a key that is valid is needed: Authorization: Bearer <key>",
                field="Authorization",
                expected="Bearer <key>",
            )
            raise Refused(401, problem, {"WWW-Authenticate": "Bearer"})
        if status is not None:
            problem = Problem(message=f"this key is not for that; needed is {scope}", field="scope", expected=scope)
            raise Refused(status, problem)

    def _written(self, answering: Callable[[bytes], Mapping[str, Any]], body: bytes) -> bytes:
        said = answering(body)
        return wire.encode({"now": self._counters.now(), **said}).encode(errors="replace")

    def _reserve(self, body: bytes) -> Mapping[str, Any]:
        asked = _read(Reservation, body)
        self._book(asked.settled)
        hold = asked.hold()
        answer = self._counters.reserve(hold)
        if self._watch is not None:
            self._watch.answered(hold, answer)
        return wire.of_answer(answer)

    def _settle(self, body: bytes) -> Mapping[str, Any]:
        asked = _read(Settlement, body)
        self._book(asked.settled)
        return {"levels": self._settled(asked)}

    def _book(self, settled: Sequence[Settled]) -> None:
        for each in settled:
            # Threads that ask at the same time tell of the same ones.
            if each.id not in self._booked:
                self._settled(each)
                self._booked[each.id] = None
                if len(self._booked) > MOST_BOOKED:
                    self._booked.popitem(last=False)

    def _settled(self, asked: Settled) -> tuple[Level, ...]:
        hold = asked.hold()
        levels = self._counters.settle(hold, asked.amounts, asked.assumed)
        if self._watch is not None:
            self._watch.settled(hold.charges, asked.amounts, levels)
        return levels

    def _read(self, body: bytes) -> Mapping[str, Any]:
        charges = [Charge(*row) for row in _read(Reading, body).charges]
        return {"levels": self._counters.read(charges)}

    def _holds(self, _: bytes) -> Mapping[str, Any]:
        return {"holds": self._counters.holds()}


class _Path:
    """One of the paths: who may ask, the body, the answer."""

    def __init__(
        self, desk: CounterDesk, method: str, needed: Scope, answering: Callable[[bytes], Mapping[str, Any]]
    ) -> None:
        self._desk = desk
        self._method = method
        self._needed: Scope = needed
        self._answering = answering

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            said = await self._answer(scope, receive)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": said})
            return
        except _Gone:
            return
        except Refused as refused:
            answer = _refusal(refused.status, refused.problem, refused.others, refused.headers)
        except OverflowError:
            answer = _refusal(
                422, Problem(message="the sums are too large", field="charges", expected="smaller amounts")
            )
        except (CountersUnavailable, LedgerUnavailable) as away:
            log.warning("the counters cannot be used: %s", away)
            answer = _refusal(503, Problem(message=f"the counters cannot be used just now: {away}"))
        await answer(scope, receive, send)

    async def _answer(self, scope: Connection, receive: Receive) -> bytes:
        if scope["method"] != self._method:
            problem = Problem(message=f"this is asked by {self._method}", field="method", expected=self._method)
            raise Refused(405, problem, {"Allow": self._method})
        await self._desk.admit(self._needed, scope)
        body = await _body(receive)
        return await self._desk.answer(self._answering, body)


class _Gone(Exception):
    """The asker went away before its question was complete."""


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(part := message.get("body", b""))
        size += len(part)
        if size > LONGEST_BODY:
            problem = Problem(message=f"the body is too long; expected {LONGEST_BODY} bytes at the most", field="body")
            raise Refused(413, problem, {"Connection": "close"})
        if not message.get("more_body", False):
            return b"".join(parts)


def _read(kind: type[Body], body: bytes) -> Body:
    try:
        return kind.model_validate_json(body)
    except ValidationError as wrong:
        known = {"body": list(kind.model_fields)}
        told = [{**error, "loc": ("body", *error["loc"])} for error in wrong.errors(include_url=False)]
        first, *others = told_by_pydantic(told, known)
        raise Refused(422, first, others=others) from None


def _refusal(status: int, problem: Problem, others: Any = (), headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(Refusal(error=problem, others=list(others)), status, headers)
