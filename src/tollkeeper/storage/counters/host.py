"""Connections to a host by its name, in a given time, that of looking up the name included.

Nobody can say how long a look-up takes, nor stop it: it runs on a thread of its own, and who cannot wait for it goes on
without. What it has found is kept, until none of the addresses can be reached any more.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref
from typing import Any

Address = tuple[Any, ...]
"""Family, type, protocol, canonical name, and where: as `socket.getaddrinfo` tells them."""


class Host:
    """`name` is a name or an address. What goes wrong is an `OSError`, a `TimeoutError` where it takes too long."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port
        self._found: list[Address] | None = None
        self._begin()
        try:
            self._found = _look_up(name, port, socket.AI_NUMERICHOST)
            self._is_address = True
        except OSError:
            self._is_address = False
        host = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(host))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._search: _Search | None = None

    def connect(self, until: float) -> socket.socket:
        """A connection, by the moment `until` of the monotonic clock. The addresses share what is left of the time."""
        addresses = self._addresses(until)
        failure: OSError = OSError(f"{self._name} has no address")
        for place, address in enumerate(addresses):
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                connection = _connected(address, left / (len(addresses) - place))
            except OSError as error:
                failure = error
                continue
            if place:
                self._found = [address, *(each for each in addresses if each is not address)]
            return connection
        if not self._is_address:
            self._found = None
        raise failure

    def look_up(self) -> None:
        """Begin to, so that the first who asks need not wait so long."""
        if self._found is None:
            self._begun()

    def _addresses(self, until: float) -> list[Address]:
        found = self._found
        if found is not None:
            return found
        search = self._begun()
        if not search.done.wait(until - time.monotonic()):
            raise TimeoutError(f"{self._name} could not be looked up in time")
        if search.failure is not None:
            raise OSError(f"{self._name} could not be looked up: {search.failure}")
        return search.found

    def _begun(self) -> _Search:
        """The search that is under way, whoever has begun it."""
        with self._lock:
            if self._search is None:
                self._search = _Search()
                threading.Thread(
                    target=self._look, args=(self._search,), name="tollkeeper-look-up", daemon=True
                ).start()  # fmt: skip
            return self._search

    def _look(self, search: _Search) -> None:
        try:
            search.found = _look_up(self._name, self._port)
        except (OSError, UnicodeError) as error:
            search.failure = str(error)
        with self._lock:
            if search.failure is None:
                self._found = search.found
            self._search = None
        search.done.set()


class _Search:
    """One look-up; `done` when it has found addresses, or failed."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: list[Address] = []
        self.failure: str | None = None


def _look_up(name: str, port: int, flags: int = 0) -> list[Address]:
    return list(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags))


def _connected(address: Address, seconds: float) -> socket.socket:
    family, kind, protocol, _, where = address
    made = socket.socket(family, kind, protocol)
    try:
        made.settimeout(seconds)
        made.connect(where)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made


def _begin_anew(host: weakref.ref[Host]) -> None:
    """A forked child has none of its parent's threads: it looks up for itself what is not found yet."""
    found = host()
    if found is not None:
        found._begin()
