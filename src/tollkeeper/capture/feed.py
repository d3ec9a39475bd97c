"""Follows a document of the sidecar's: a thread asks now and then whether it has changed. Calls never wait for it.

It has an ETag: as long as nothing has changed, an answer is some bytes. While the sidecar is away, what was there
before stays in force.
"""

from __future__ import annotations

import http.client
import logging
import os
import random
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from tollkeeper.capture import faults
from tollkeeper.storage.spool.otlp import connect
from tollkeeper.version import __version__

log = logging.getLogger("tollkeeper")

T = TypeVar("T")

EVERY_SECONDS = 30.0
SPREAD = 0.2
"""By this part more or less, so that many processes do not ask all at once."""
ANSWER_SECONDS = 10.0
LARGEST = 16 * 1024 * 1024
"""In bytes: of a price book, some 100,000 rows."""

Wait = Callable[[float], bool]
"""Waits for some seconds; true when it is time to end."""


class Document(NamedTuple, Generic[T]):
    """What is followed: its name for people, in the plural, its path, how it is read, and what to do with it.

    `read` raises `ValueError` for what is no such document.
    """

    name: str
    path: str
    read: Callable[[bytes], T]
    use: Callable[[T], object]


class Feed(Generic[T]):
    """Brings a document of a sidecar's to an app, and each later version of it.

    `url` is as for the spool: `http://HOST:PORT`, `https://…` or `unix:///PATH`. `wait` is the clock; tests bring one
    of their own.
    """

    def __init__(
        self,
        url: str,
        document: Document[T],
        key: str | None = None,
        seconds: float = EVERY_SECONDS,
        wait: Wait | None = None,
    ) -> None:
        self._url = urlsplit(url)
        self._document = document
        self._path = document.path if self._url.scheme == "unix" else self._url.path.rstrip("/") + document.path
        self._headers = {"Accept": "application/json", "User-Agent": f"tollkeeper/{__version__}"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._seconds = seconds
        self._given_wait = wait
        self._tag: str | None = None
        self._away = False
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        feed = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _start_again(feed))

    def start(self) -> None:
        """Ask now, and then every so often, until `stop`."""
        self._stopped.clear()
        wait = self._given_wait or self._stopped.wait
        # The thread holds no reference while it waits: a feed that nobody has any more ends by itself.
        self._thread = threading.Thread(
            target=_follow, args=(weakref.ref(self), wait), name="tollkeeper-feed", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. What was brought stays. An answer that is on its way is not waited for."""
        self._stopped.set()
        self._thread = None

    def first(self, seconds: float) -> bool:
        """Wait until the first answer is there, or it is known that there is none just now. False: not in time."""
        return self._asked.wait(seconds)

    def poll(self) -> bool:
        """Ask once. True: the document was another one, and is in force now."""
        try:
            return self._poll()
        finally:
            self._asked.set()

    def pause(self) -> float:
        """How many seconds to wait before asking again."""
        return self._seconds * (1 + SPREAD * (2 * random.random() - 1))  # noqa: S311  no secret

    @property
    def name(self) -> str:
        """What is followed."""
        return self._document.name

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    @property
    def started(self) -> bool:
        """Whether a thread asks, or did before a fork."""
        return self._thread is not None

    def _poll(self) -> bool:
        try:
            status, tag, body = self._ask()
            if status == http.client.NOT_MODIFIED:
                self._is_back()
                return False
            if status != http.client.OK:
                raise OSError(f"HTTP {status}: {body[:200].decode('utf-8', 'replace')}")
            if len(body) > LARGEST:
                raise OSError(f"the answer has more than {LARGEST} bytes")
            found = self._document.read(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._is_away(error)
            return False
        self._document.use(found)
        self._tag = tag
        self._keep(body)
        self._is_back()
        return True

    def _keep(self, body: bytes) -> None:
        """What is in force now, for whoever keeps it."""

    def _ask(self) -> tuple[int, str | None, bytes]:
        headers = self._headers if self._tag is None else {**self._headers, "If-None-Match": self._tag}
        connection = connect(self._url, ANSWER_SECONDS)
        try:
            connection.request("GET", self._path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers.get("ETag"), response.read(LARGEST + 1)
        finally:
            with suppress(OSError):
                connection.close()

    def _is_away(self, error: Exception) -> None:
        # Once for each time that it goes: a sidecar may be away for days.
        level = logging.DEBUG if self._away else logging.WARNING
        self._away = True
        log.log(level, "the sidecar's %s cannot be had, and %s: %s", self.name, self._meanwhile(), error)

    def _meanwhile(self) -> str:
        """What holds while the sidecar is away."""
        return "those from before stay in force"

    def _is_back(self) -> None:
        if self._away:
            self._away = False
            log.info("the sidecar's %s can be had again", self.name)


def _follow(feed: weakref.ref[Feed[T]], wait: Wait) -> None:
    """The thread. Whatever goes wrong, it goes on."""
    while (found := feed()) is not None and not found.stopped:
        try:
            found.poll()
        except Exception as fault:  # noqa: BLE001  the guard of this thread
            faults.report(f"follow the sidecar's {found.name}", fault)
        seconds = found.pause()
        del found
        if wait(seconds):
            return


def _start_again(feed: weakref.ref[Feed[T]]) -> None:
    """A forked child has no thread; it asks for itself."""
    found = feed()
    if found is not None and found.started and not found.stopped:
        found._stopped = threading.Event()
        found.start()
