"""One POST, and what became of it: in words that say neither the address, nor what was answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2

from tollkeeper.sidecar.notify.contract import TIMEOUT_SECONDS, Delivery, answered
from tollkeeper.version import __version__

LOOPBACK = ("localhost", "127.0.0.1", "::1")

# They would log each address, of which a part may be a secret.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
    """Send it. Redirects are not followed: where to is what the channel says, and nobody else."""
    try:
        is_local = urlsplit(url).hostname in LOOPBACK
        sent = {"User-Agent": f"tollkeeper/{__version__}", "Content-Type": "application/json", **headers}
        with (
            httpx2.Client(timeout=TIMEOUT_SECONDS, trust_env=not is_local, follow_redirects=False) as client,
            # The answer's body is never read: it may have no end.
            client.stream("POST", url, content=body, headers=sent) as answer,
        ):
            return answered(answer.status_code)
    except httpx2.TimeoutException:
        return Delivery("failed", f"no answer within {TIMEOUT_SECONDS:g} s")
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, ValueError):
        return Delivery("refused", "the channel's address is not one such as https://host/path")
    except httpx2.RequestError as error:
        return Delivery("failed", f"could not be reached: {type(error).__name__}")
