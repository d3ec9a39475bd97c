"""Counters by their URL. Nothing is connected or opened before it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tollkeeper.storage.counters.contract import Counters
from tollkeeper.storage.counters.memory import MemoryCounters
from tollkeeper.storage.counters.sqlite import BUSY_SECONDS, SqliteCounters

EXPECTED = "expected memory:, sqlite:///FILE, redis://HOST:PORT/DB, rediss://…, valkey://… or valkeys://…"
_SERVERS = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}


def open_counters(url: str, *, clock: Callable[[], int] = time.time_ns, busy_seconds: float = BUSY_SECONDS) -> Counters:
    """The counters that a URL names; raises `ValueError` for one that it cannot take.

    `memory:` is this process's. `sqlite:///FILE` is relative, `sqlite:////FILE` absolute. Those of Redis and Valkey may
    have `?prefix=NAME`, for several that share a server, and `?timeout=SECONDS`, of each answer; SQLite's `timeout` is
    for how long it waits for other processes, by default `busy_seconds`. `clock` tells nanoseconds since the epoch.
    """
    scheme = url.partition(":")[0].lower()
    if url in ("memory:", "memory://"):
        return MemoryCounters(clock)
    if scheme == "sqlite":
        return _sqlite(url, clock, busy_seconds)
    if scheme in _SERVERS:
        return _redis(url, _SERVERS[scheme], clock)
    named = repr(url) if "@" not in url else f"{scheme}:…"  # it may have a password
    raise ValueError(f"{named} are no counters: {EXPECTED}")


def _sqlite(url: str, clock: Callable[[], int], busy_seconds: float) -> Counters:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    timeout = _seconds(options.pop("timeout", None))
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or not url.startswith("sqlite:///") or path in ("", ":memory:"):
        raise ValueError(
            f"{url!r}: counters in SQLite need a file: sqlite:///FILE, or sqlite:////FILE from the root on"
        )
    if options:
        raise ValueError(f"{url!r}: {', '.join(sorted(options))} is no option of SQLite's; there is timeout")
    return SqliteCounters(Path(path), clock, busy_seconds if timeout is None else timeout)


def _redis(url: str, scheme: str, clock: Callable[[], int]) -> Counters:
    try:
        # Few have it; and it takes a tenth of a second to import.
        from tollkeeper.storage.counters.redis import PREFIX, TIMEOUT_SECONDS, RedisCounters  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ValueError("counters in Redis or Valkey need an extra: pip install 'tollkeeper[redis]'") from None
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    database = parts.path.removeprefix("/")
    if scheme != "unix" and database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"the database is {database!r}; expected its number, such as redis://HOST:PORT/0")
    prefix = options.pop("prefix", PREFIX)
    timeout = _seconds(options.pop("timeout", None))
    if not prefix or set(prefix) & {"{", "}"}:
        raise ValueError(f"prefix={prefix!r}: expected a name without braces")
    server = f"{scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(options)}" if options else "")
    return RedisCounters(server, prefix, TIMEOUT_SECONDS if timeout is None else timeout, clock)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = None if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if seconds is not None and not 0 < seconds < 3600:
        raise ValueError(f"timeout={text!r}: expected seconds, more than 0 and less than 3600")
    return seconds
