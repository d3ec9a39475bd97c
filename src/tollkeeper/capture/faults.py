"""Faults of our own: logged once each with context, counted, and never the caller's."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter

log = logging.getLogger("tollkeeper")

_lock = threading.Lock()
_counts: Counter[str] = Counter()
_told: set[tuple[str, str]] = set()


def report(step: str, fault: BaseException) -> None:
    """Count a fault of the instrumentation at `step`; log each kind of it once at WARNING, then at DEBUG."""
    kind = (step, f"{type(fault).__qualname__}: {fault}"[:200])
    with _lock:
        _counts[step] += 1
        first = kind not in _told and len(_told) < 1000
        if first:
            _told.add(kind)
    level = logging.WARNING if first else logging.DEBUG
    log.log(level, "instrumentation failed while it would %s; the call goes on without it", step, exc_info=fault)


def counts() -> dict[str, int]:
    """How many faults there were so far in this process, by step."""
    with _lock:
        return dict(_counts)


def _forget_after_fork() -> None:
    """A child counts its own faults only, with a lock that nobody holds."""
    global _lock
    _lock = threading.Lock()
    _counts.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
