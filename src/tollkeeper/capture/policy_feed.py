"""Keeps the limits of an app those of the sidecar's policy, where the app has none of its own."""

from __future__ import annotations

import json
from collections.abc import Callable

from tollkeeper.capture.feed import EVERY_SECONDS, Document, Feed, Wait
from tollkeeper.policy import Policy
from tollkeeper.policy.document import read_json

PATH = "/api/v1/policy"


class PolicyFeed(Feed[Policy]):
    """Gives each version of a sidecar's policy to `use`; the rest is as for `Feed`."""

    def __init__(
        self,
        url: str,
        use: Callable[[Policy], object],
        key: str | None = None,
        seconds: float = EVERY_SECONDS,
        wait: Wait | None = None,
    ) -> None:
        super().__init__(url, Document("limits", PATH, _read, use), key, seconds, wait)


def _read(body: bytes) -> Policy:
    answer = json.loads(body)
    document = answer.get("document") if isinstance(answer, dict) else None
    return read_json(json.dumps(document), "the sidecar's policy")
