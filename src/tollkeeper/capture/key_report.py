"""Tells the sidecar which providers' keys are set where the app runs. The keys themselves stay there."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from tollkeeper.capture.recurring import Recurring, Wait
from tollkeeper.config.provider_keys import keys_found
from tollkeeper.model.providers import KeyFound
from tollkeeper.storage.spool.otlp import connect, identification, path_at

log = logging.getLogger("tollkeeper")

PATH = "/api/v1/provider-keys"
LOOK_SECONDS = 60.0
"""Variables are often set after `instrument()`, by what reads a `.env` file."""
TELL_SECONDS = 3600.0
ANSWER_SECONDS = 10.0
LONGEST_ANSWER = 200


class KeyReport(Recurring):
    """Says it when it begins, whenever it has changed, and every hour. Nobody needs to know, so a failure is no more
    than a line for those who debug.

    `url` and `wait` are as for a `Feed`; `find` says which are set, `clock` tells seconds.
    """

    def __init__(
        self,
        url: str,
        service: str,
        key: str | None = None,
        wait: Wait | None = None,
        find: Callable[[], list[KeyFound]] = keys_found,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("tell the sidecar which providers' keys are set", LOOK_SECONDS, wait)
        self._url = urlsplit(url)
        self._service = service
        self._headers = {"Content-Type": "application/json", **identification(key)}
        self._find = find
        self._clock = clock
        self._told: list[KeyFound] | None = None
        self._told_at = 0.0

    def poll(self) -> bool:
        """Say it, if it is time to. True: the sidecar has heard it."""
        found, now = self._find(), self._clock()
        if found == self._told and now - self._told_at < TELL_SECONDS:
            return False
        try:
            self._tell(found)
        except (OSError, http.client.HTTPException) as error:
            log.debug("the sidecar was not told which providers' keys are set: %s", error)
            return False
        self._told, self._told_at = found, now
        return True

    def _tell(self, found: list[KeyFound]) -> None:
        body = json.dumps({"service": self._service, "keys": [each._asdict() for each in found]})
        connection = connect(self._url, ANSWER_SECONDS)
        try:
            connection.request("POST", path_at(self._url, PATH), body, self._headers)
            response = connection.getresponse()
            answer = response.read(LONGEST_ANSWER)
        finally:
            with suppress(OSError):
                connection.close()
        if not 200 <= response.status < 300:
            raise OSError(f"HTTP {response.status}: {answer.decode('utf-8', 'replace')}")
