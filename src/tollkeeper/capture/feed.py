"""Follows a document of the sidecar's: a thread asks now and then whether it has changed. Calls never wait for it.

It has an ETag: as long as nothing has changed, an answer is some bytes. While the sidecar is away, what was there
before stays in force.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from tollkeeper.capture.recurring import Recurring, Wait
from tollkeeper.storage.spool.otlp import connect, identification, path_at

log = logging.getLogger("tollkeeper")

T = TypeVar("T")

EVERY_SECONDS = 30.0
ANSWER_SECONDS = 10.0
LARGEST = 16 * 1024 * 1024
"""In bytes: of a price book, some 100,000 rows."""


class Document(NamedTuple, Generic[T]):
    """What is followed: its name for people, in the plural, its path, how it is read, and what to do with it.

    `read` raises `ValueError` for what is no such document.
    """

    name: str
    path: str
    read: Callable[[bytes], T]
    use: Callable[[T], object]


class Feed(Recurring, Generic[T]):
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
        super().__init__(f"follow the sidecar's {document.name}", seconds, wait)
        self._url = urlsplit(url)
        self._document = document
        self._path = path_at(self._url, document.path)
        self._headers = {"Accept": "application/json", **identification(key)}
        self._tag: str | None = None
        self._away = False
        self._asked = threading.Event()

    def first(self, seconds: float) -> bool:
        """Wait until the first answer is there, or it is known that there is none just now. False: not in time."""
        return self._asked.wait(seconds)

    def poll(self) -> bool:
        """Ask once. True: the document was another one, and is in force now."""
        try:
            return self._poll()
        finally:
            self._asked.set()

    @property
    def name(self) -> str:
        """What is followed."""
        return self._document.name

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
