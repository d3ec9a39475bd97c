"""Counters in Redis or Valkey, shared by all hosts.

Each question is one script, so that nothing comes between what it reads and what it writes; the server's time is
everybody's. All keys have one hash tag: on a cluster they are on one node. Beware of a server that evicts keys when its
memory is full (`maxmemory-policy` must be `noeviction`): it would forget what was spent.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from redis import Connection, ConnectionPool, SSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from tollkeeper.model.charge import Charge, Level
from tollkeeper.storage.counters.contract import LATE, REMEMBERED, CountersUnavailable, Held, Hold, Refused
from tollkeeper.storage.counters.host import Host
from tollkeeper.storage.counters.rate import cost_of, depth_of, level_of

PREFIX = "tollkeeper"
TIMEOUT_SECONDS = 0.045
"""How long one answer may take: a call of the app is waiting for it, and for no longer than 0.05 in all."""

MOST_EXPIRED = 100
"""Holds that one script charges in full; it asks for another turn where there are more."""

MOST_READ = 500
"""Keys in one question."""

MOST_WRITTEN = 1024
"""Charges that are remembered as they are sent: many recur, as those of requests and slots, which are always of one."""

_LARGEST = 2**53
_FIELDS = len(Charge._fields)
_encode = json.JSONEncoder(separators=(",", ":")).encode
_KINDS = {"period": 0, "rate": 1, "slots": 2}
_SIZE, _NUMBERS = struct.Struct("<I").pack, struct.Struct("<9d").pack


class _Script(NamedTuple):
    text: bytes
    sha: bytes


def _script(name: str) -> _Script:
    folder = Path(__file__).parent
    constants = f"local LATE, REMEMBERED, MOST = {LATE // 1000}, {REMEMBERED // 1000}, {MOST_EXPIRED}\n"
    text = constants + (folder / "counts.lua").read_text() + (folder / f"{name}.lua").read_text()
    # Redis names a script so; it is no secret.
    return _Script(text.encode(), hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().encode())


_RESERVE, _SETTLE, _READ = _script("reserve"), _script("settle"), _script("read")


class RedisCounters:
    """`clock` tells this machine's nanoseconds since the epoch, from which the server's are reckoned. `server_clock` is
    in place of the server's time, in tests. Raises `ValueError` for a URL that it cannot take.
    """

    def __init__(
        self,
        url: str,
        prefix: str = PREFIX,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], int] = time.time_ns,
        server_clock: Callable[[], int] | None = None,
    ) -> None:
        self._connections = _Connections(url, timeout_seconds)
        self._prefix = f"{{{prefix}}}".encode()
        self._clock = clock
        self._server_clock = server_clock
        self._offset: int | None = None

    def now(self) -> int:
        if self._server_clock is not None:
            return self._server_clock()
        if self._offset is None:
            self._ask(_READ, b"[]")
        return self._clock() + (self._offset or 0)

    def reserve(self, hold: Hold) -> Held | Refused:
        written = [_reserving(charge) for charge in hold.charges]
        charges, last = b"".join([packed for _, packed in written]), b"%d" % (hold.expires_at // 1000)
        row = f"[{_encode(hold[:3])[1:-1]},[{','.join([text for text, _ in written])}]]".encode()
        while True:
            (more, place, retry_at, *levels), _ = self._ask(_RESERVE, hold.id.encode(), last, row, charges)
            if not place:
                return Held(_levels(hold.charges, levels))
            if not more:
                break
        charge = hold.charges[place - 1]
        moment = retry_at * 1000 if charge.kind == "rate" else charge.until
        return Refused(place - 1, _levels([charge], levels)[0], moment or None)

    def settle(self, hold: Hold, amounts: Sequence[int], assumed: bool = False) -> tuple[Level, ...]:
        if len(amounts) != len(hold.charges):
            raise ValueError(f"{len(amounts)} amounts for {len(hold.charges)} charges")
        used = zip(hold.charges, amounts, strict=True)
        charges = b"".join([_settling(charge, amount) for charge, amount in used])
        (_, *levels), _ = self._ask(_SETTLE, hold.id.encode(), charges, b"assumed" if assumed else b"")
        return _levels(hold.charges, levels)

    def read(self, charges: Sequence[Charge]) -> tuple[Level, ...]:
        found: list[Level] = []
        while len(found) < len(charges):
            some = charges[len(found) : len(found) + MOST_READ]
            (more, *levels), _ = self._ask(_READ, _encode(some).encode())
            if not more:
                found.extend(_levels(some, levels))
        return tuple(found)

    def holds(self) -> Sequence[Hold]:
        while True:
            (more,), rows = self._ask(_READ, b"")
            if not more:
                return tuple([_hold(row) for row in rows])

    def close(self) -> None:
        self._connections.close()

    def _ask(self, script: _Script, *arguments: bytes) -> tuple[list[int], list[bytes]]:
        """The numbers of a script's answer but for the first, the server's time; and what comes after them."""
        moment = b"" if self._server_clock is None else b"%d" % (self._server_clock() // 1000)
        before = self._clock()
        try:
            answer = self._connections.run(script, self._prefix, moment, *arguments)
        except (RedisError, OSError) as error:
            raise CountersUnavailable(f"{self._connections.where}: {error}") from error
        packed, *rows = answer if isinstance(answer, list) else (answer,)
        now, *numbers = [int(number) for number in struct.unpack(f"<{len(packed) // 8}d", packed)]
        self._offset = now * 1000 - (before + self._clock()) // 2
        return numbers, rows


class _Connections:
    """Connections that nobody uses just now. The client's own pool looks at each again before it is used, which takes
    as long as the question does.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        # With retries, each would wait as long again.
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=Retry(NoBackoff(), 0)
        )
        known = self._pool.connection_kwargs
        self._host: Host | None = None
        if named := {Connection: _Named, SSLConnection: _NamedTLS}.get(self._pool.connection_class):
            self._pool.connection_class = named
            self._host = Host(known.get("host", "localhost"), int(known.get("port", 6379)))
        self._idle: list[Any] = []
        self._process = os.getpid()

    @property
    def where(self) -> str:
        """The server, without the password that is in its URL."""
        known = self._pool.connection_kwargs
        return f"redis at {known.get('path') or known.get('host', 'localhost')}:{known.get('port', 6379)}"

    def run(self, script: _Script, *arguments: bytes) -> Any:
        """The script's answer. Scripts may be asked twice: a connection that was kept may lead to a server that has
        restarted since.
        """
        while True:
            connection, is_kept = self._take()
            try:
                answer = _run(connection, script, *arguments)
            except ResponseError:
                self._idle.append(connection)
                raise
            except BaseException as error:
                connection.disconnect()  # or the next question would be given this one's answer
                if not is_kept or not isinstance(error, ConnectionError):
                    raise
                self.close()
                continue
            self._idle.append(connection)
            return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()

    def _take(self) -> tuple[Any, bool]:
        """A connection, and whether it is one that was kept."""
        if self._process != os.getpid():  # its connections are its parent's
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop(), True
        except IndexError:
            connection = self._pool.make_connection()
            if self._host is not None:
                connection.reached_by = self._host  # type: ignore[attr-defined]
            return connection, False


class _Named(Connection):
    """Looks up names within the time that it has to connect, and all addresses together have no more."""

    reached_by: Host

    def _connect(self) -> socket.socket:
        connection = self.reached_by.connect(time.monotonic() + (self.socket_connect_timeout or TIMEOUT_SECONDS))
        connection.settimeout(self.socket_timeout)
        return connection


class _NamedTLS(SSLConnection, _Named):
    """The same, below TLS."""


def _run(connection: Any, script: _Script, *arguments: bytes) -> Any:
    connection.send_packed_command([_command(b"EVALSHA", script.sha, b"1", *arguments)])
    try:
        return connection.read_response()
    except NoScriptError:
        connection.send_packed_command([_command(b"EVAL", script.text, b"1", *arguments)])
        return connection.read_response()


def _command(*parts: bytes) -> bytes:
    """As the protocol has it; the client's own way looks at the type of each part, and takes three times as long."""
    return b"".join([b"*%d\r\n" % len(parts), *[b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]])


@lru_cache(MOST_WRITTEN)
def _reserving(charge: Charge) -> tuple[str, bytes]:
    """As JSON, for the row; and as the script reads it."""
    costs = (0, 0)
    if charge.kind == "rate":
        costs = _microseconds(cost_of(charge, charge.amount)), depth_of(charge) // 1000
    return _encode(charge), _packed(charge, 0, *costs)


@lru_cache(MOST_WRITTEN)
def _settling(charge: Charge, amount: int) -> bytes:
    costs = (0, 0)
    if charge.kind == "rate":
        costs = _microseconds(cost_of(charge, amount - charge.amount)), _microseconds(cost_of(charge, amount))
    return _packed(charge, amount, *costs)


def _microseconds(nanoseconds: int) -> int:
    """Rounded up: a bucket never lets through more than it may."""
    return -(-nanoseconds // 1000)


def _packed(charge: Charge, used: int, cost: int, other: int) -> bytes:
    """A charge, as the scripts read it. They have doubles: what of a rate must be exact is reckoned here."""
    name, amount, cap, hard, kind, until, _, burst = charge
    key = name.encode()
    return _SIZE(len(key)) + key + _NUMBERS(amount, cap, hard, _KINDS[kind], until, used, burst, cost, other)


def _levels(charges: Sequence[Charge], numbers: Sequence[int]) -> tuple[Level, ...]:
    found = []
    for place, charge in enumerate(charges):
        spent, held, assumed = numbers[3 * place : 3 * place + 3]
        found.append(
            Level(level_of(charge, spent * 1000, 0), 0) if charge.kind == "rate" else Level(spent, held, assumed)
        )
    return tuple(found)


def _hold(text: bytes) -> Hold:
    id, owner, expires_at, charges = json.loads(text)
    return Hold(id, owner, expires_at, tuple([Charge(*charge[:_FIELDS]) for charge in charges]))
