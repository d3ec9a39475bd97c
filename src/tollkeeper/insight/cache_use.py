"""What was written to a provider's prompt cache, and never read from it: paid for in vain.

No provider says which entry a call has read. But a call that reads so many tokens has read a beginning of that length,
so a write is certainly in vain where no later call has read further than the cache went before it, while it lived. Of
whose calls? Those of the whole feature: then that is the least that was in vain, as the reader may have been another's
prompt. Only those of the same session: then it is the most, as what sessions have in common may be read by another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

MINUTE = 60_000_000_000
LIFE, LONG_LIFE = 5 * MINUTE, 60 * MINUTE
"""In nanoseconds: how long an entry lives after it was written or read, without and with the longer life.
https://docs.claude.com/en/docs/build-with-claude/prompt-caching"""

MOST_OPEN = 200
"""Of writes that wait for a reader, in one scope. With more, the oldest are not judged."""

Scope = tuple[str, ...]


class CacheCall(NamedTuple):
    """A call that has read or written a cache. Times are in nanoseconds, money is nano-dollars.

    `scope` is the provider, the model and whose feature it is. `lives_long`: it has written for an hour. `paid` is what
    the writing has cost, `plain` what the same tokens would have cost as plain input; `None` where that is not known.
    `saved` is how much dearer the call would have been without a cache: less than nothing, where it has only written.
    """

    started_at: int
    scope: Scope
    session: str
    read: int
    written: int
    lives_long: bool = False
    paid: int | None = None
    plain: int | None = None
    saved: int | None = None


@dataclass(slots=True)
class Unread:
    """Written tokens that nobody has read, and what was paid for them; `extra` is how much more than for plain input.

    Money is of the `priced` writes.
    """

    writes: int = 0
    tokens: int = 0
    nano_usd: int = 0
    extra_nano_usd: int = 0

    def add(self, other: Unread) -> None:
        """Those of another one, too."""
        _add(self, other)


@dataclass(slots=True)
class CacheUse:
    """Sums over the writes of some time; they add up. `waiting` lived still when this was looked at.

    `not_judged` were too many at once. Neither is among `least` and `most`. `saved_nano_usd` is of the `weighed` calls,
    readers and writers of which it is known what they would have cost without a cache.
    """

    writes: int = 0
    tokens: int = 0
    priced: int = 0
    nano_usd: int = 0
    waiting: int = 0
    not_judged: int = 0
    weighed: int = 0
    saved_nano_usd: int = 0


class Judged(NamedTuple):
    """What came of the writes, and how much of it was in vain, at the least and at the most."""

    use: CacheUse
    least: Unread
    most: Unread

    def add(self, other: Judged) -> None:
        """Those of another time, too."""
        _add(self.use, other.use)
        self.least.add(other.least)
        self.most.add(other.most)


def nothing() -> Judged:
    """No writes."""
    return Judged(CacheUse(), Unread(), Unread())


@dataclass(slots=True)
class _Write:
    call: CacheCall
    expires: int
    known: int
    """How far it was read, counted from the beginning of the prompt."""

    @property
    def ends(self) -> int:
        return self.call.read + self.call.written


def judge(calls: Iterable[CacheCall], start: int, end: int, now: int) -> Judged:
    """Of the writes from `start` to `end` (not included). `calls` are in order, and go on for an hour after `end`."""
    found = nothing()
    wide, narrow = _Tracker(found, found.least), _Tracker(None, found.most)
    for call in calls:
        counts = start <= call.started_at < end
        if counts and call.saved is not None:
            found.use.weighed += 1
            found.use.saved_nano_usd += call.saved
        if counts and call.written > 0:
            found.use.writes += 1
            found.use.tokens += call.written
            if call.paid is not None:
                found.use.priced += 1
                found.use.nano_usd += call.paid
        wide.see(call, call.scope, counts)
        narrow.see(call, (*call.scope, call.session), counts)
    wide.close(now)
    narrow.close(now)
    return found


class _Tracker:
    """Writes that may still be read, by scope."""

    def __init__(self, told: Judged | None, unread: Unread) -> None:
        self._told = told
        self._unread = unread
        self._open: dict[Scope, list[_Write]] = {}

    def see(self, call: CacheCall, scope: Scope, counts: bool) -> None:
        waiting = self._open.get(scope)
        if waiting and call.read > 0:
            waiting = self._open[scope] = [write for write in waiting if not self._is_read(write, call)]
        if counts and call.written > 0:
            life = LONG_LIFE if call.lives_long else LIFE
            waiting = self._open.setdefault(scope, [])
            waiting.append(_Write(call, call.started_at + life, call.read))
            if len(waiting) > MOST_OPEN:
                waiting.pop(0)
                if self._told is not None:
                    self._told.use.not_judged += 1

    def close(self, now: int) -> None:
        for writes in self._open.values():
            for write in writes:
                if write.expires > now:
                    if self._told is not None:
                        self._told.use.waiting += 1
                else:
                    self._settle(write)

    def _is_read(self, write: _Write, by: CacheCall) -> bool:
        """Whether nothing more is to be learned of a write."""
        if by.started_at >= write.expires:
            self._settle(write)
            return True
        if by.read > write.call.read:
            write.known = max(write.known, min(by.read, write.ends))
            write.expires = by.started_at + (LONG_LIFE if write.call.lives_long else LIFE)
        return write.known >= write.ends

    def _settle(self, write: _Write) -> None:
        call, tokens = write.call, write.ends - write.known
        if tokens <= 0:
            return
        self._unread.writes += 1
        self._unread.tokens += tokens
        if call.paid is not None:
            self._unread.nano_usd += round(call.paid * tokens / call.written)
            if call.plain is not None:
                self._unread.extra_nano_usd += round((call.paid - call.plain) * tokens / call.written)


def _add(into: CacheUse | Unread, other: CacheUse | Unread) -> None:
    for each in fields(into):
        setattr(into, each.name, getattr(into, each.name) + getattr(other, each.name))
