"""Where an app keeps what was used of its limits, and what sees to it that leases are given back when it ends."""

from __future__ import annotations

import atexit
import multiprocessing.process
import multiprocessing.util
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from tollkeeper.config import Settings

if TYPE_CHECKING:
    from tollkeeper.storage.counters import Counters
    from tollkeeper.storage.counters.leased import LeasedCounters

MEMORY = "memory:"
BUSY_SECONDS = 0.5
"""How long a call may wait for a file that other processes write to. It may be in an event loop, and all of it waits;
but who gives up takes the file to be away, and has calls denied. Each writer takes a thousandth of a second. Near the
end of a limit, where nothing is leased, 45 threads on two busy CPUs have missed one in four at 0.05, and none at 0.5.
"""


def counters(settings: Settings) -> Counters:
    """Those that the options name; else the sidecar's; else this process's own.

    What other processes share is leased, and may be away.
    """
    url = settings.counters or (None if settings.sidecar else MEMORY)
    if url is not None:
        from tollkeeper.storage.counters.opening import open_counters  # noqa: PLC0415  an app without limits needs none

        inner = open_counters(url, busy_seconds=BUSY_SECONDS)
        if url.startswith(MEMORY):
            return inner
    else:
        from tollkeeper.storage.counters.remote import RemoteCounters  # noqa: PLC0415  the same

        assert settings.sidecar is not None
        inner = RemoteCounters(settings.sidecar, settings.sidecar_key)
    from tollkeeper.storage.counters.guarded import GuardedCounters  # noqa: PLC0415  the same
    from tollkeeper.storage.counters.leased import LeasedCounters  # noqa: PLC0415  the same

    leased = LeasedCounters(GuardedCounters(inner))
    _close_at_end(leased)
    return leased


def check_counters(url: str) -> None:
    """Raises `ValueError` for counters that cannot be."""
    from tollkeeper.storage.counters.opening import open_counters  # noqa: PLC0415  the same

    try:
        open_counters(url).close()
    except ValueError as wrong:
        raise ValueError(f"counters that can be opened: {wrong}") from None


def _close_at_end(leased: LeasedCounters) -> None:
    found = weakref.ref(leased)
    atexit.register(_close, found)
    # Children of `multiprocessing` run no `atexit` handlers.
    multiprocessing.util.register_after_fork(leased, _close_when_this_child_ends)
    if multiprocessing.process.parent_process() is not None:
        _close_when_this_child_ends(leased)


def _close_when_this_child_ends(leased: LeasedCounters) -> None:
    multiprocessing.util.Finalize(leased, _close, (weakref.ref(leased),), exitpriority=4)


def _close(leased: weakref.ref[LeasedCounters]) -> None:
    found = leased()
    if found is not None:
        # The process ends: there is nobody to tell.
        with suppress(Exception):
            found.close()
