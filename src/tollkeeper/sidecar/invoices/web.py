"""Asking an admin API: what is to be tried again is, as it says itself when; everything else is told clearly."""

from __future__ import annotations

import email.utils
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tollkeeper.config.references import UnresolvedReference, resolve
from tollkeeper.insight.reconcile.account import Account
from tollkeeper.sidecar.invoices.contract import (
    Parameters,
    SourceMalformed,
    SourceRefused,
    SourceUnavailable,
)
from tollkeeper.version import __version__

# They would log each address.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

TIMEOUT_SECONDS = 30.0
TRIES = 6
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
LARGEST_ANSWER = 64 * 2**20
LOOPBACK = ("localhost", "127.0.0.1", "::1")
AGAIN = (408, 409, 425, 429)
"""Besides those from 500 on."""


class Web:
    """One account's API, for as long as its `with` block lasts. `sleep` waits so many seconds."""

    def __init__(
        self,
        account: Account,
        headers: Callable[[str], Mapping[str, str]],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._account = account
        try:
            key = resolve(account.key)
        except UnresolvedReference as error:
            raise SourceRefused(f"account {account.name}: key: {error}") from None
        if not (key.isascii() and key.isprintable()):
            raise SourceRefused(f"account {account.name}: what {account.key} says is no key of one line")
        is_local = urlsplit(account.url).hostname in LOOPBACK
        said = {"User-Agent": f"tollkeeper/{__version__}", "Accept": "application/json", **headers(key)}
        # Redirects are not followed: the key is for this address only.
        self._http = httpx2.Client(headers=said, timeout=TIMEOUT_SECONDS, trust_env=not is_local)
        self._sleep = sleep

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, parameters: Parameters) -> Any:
        """The JSON of an answer. Raises `InvoiceError` of the kind that fits."""
        where = f"account {self._account.name}: {self._account.url}{path}"
        wait, told = FIRST_WAIT, ""
        for attempt in range(TRIES):
            if attempt:
                self._sleep(wait)
            try:
                status, headers, body = self._ask(path, parameters)
            except httpx2.TimeoutException:
                told, wait = f"no answer within {TIMEOUT_SECONDS:g} s", min(2 * wait, LONGEST_WAIT)
                continue
            except (httpx2.RequestError, httpx2.InvalidURL) as error:
                told, wait = f"could not be reached: {type(error).__name__}", min(2 * wait, LONGEST_WAIT)
                continue
            if status not in AGAIN and status < 500:
                return self._read(status, body, where)
            told, wait = f"answers {status}", min(_asked_for(headers) or 2 * wait, LONGEST_WAIT)
        raise SourceUnavailable(f"{where}: {told}, {TRIES} times; it is tried again at the next turn")

    def _ask(self, path: str, parameters: Parameters) -> tuple[int, Mapping[str, str], bytes]:
        with self._http.stream("GET", self._account.url + path, params=list(parameters)) as answer:
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > LARGEST_ANSWER:
                    raise SourceMalformed(f"account {self._account.name}: {path}: the answer is too large")
            return answer.status_code, answer.headers, bytes(body)

    def _read(self, status: int, body: bytes, where: str) -> Any:
        if status in (401, 403):
            expected = "expected an admin key, which is another than that of calls"
            raise SourceRefused(
                f"{where}: answers {status}: it does not take what {self._account.key} says; {expected}"
            )
        if status != 200:
            raise SourceRefused(f"{where}: answers {status}: it does not take the question")
        try:
            return json.loads(body, parse_float=Decimal, parse_constant=_not_finite)
        except (ValueError, RecursionError):
            raise SourceMalformed(f"{where}: the answer is not JSON") from None


def _not_finite(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _asked_for(headers: Mapping[str, str]) -> float | None:
    """How many seconds to wait, as the answer says: in seconds, or until a moment."""
    said = headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
        return None if math.isnan(seconds) else max(seconds, 0.0)
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(said)
        date = headers.get("date")
        now = email.utils.parsedate_to_datetime(date).timestamp() if date else time.time()
        return max(moment.timestamp() - now, 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
