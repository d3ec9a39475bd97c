"""Brings an app the sidecar's word of how models do."""

from __future__ import annotations

import json
from typing import Any

from tollkeeper.capture.feed import Document, Feed
from tollkeeper.capture.fleet_health import FEWEST_CALLS, FleetHealth, Told
from tollkeeper.capture.recurring import Wait
from tollkeeper.model.health import Health

PATH = "/api/v1/providers/recent"
EVERY_SECONDS = 60.0
FAILING = 0.5
"""At this success rate and below, over the newest minutes, everybody does better to go elsewhere."""


def health_feed(url: str, fleet: FleetHealth, key: str | None = None, wait: Wait | None = None) -> Feed[Told]:
    """What brings it from the sidecar."""
    return Feed(url, Document("figures of providers", PATH, read, fleet.use), key, EVERY_SECONDS, wait)


def read(body: bytes) -> Told:
    """Raises `ValueError` for what is no such answer."""
    try:
        answer = json.loads(body)
        return Told(answer["evaluated_at"], [_health(each) for each in answer["models"]])
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is no list of models: {error!r}") from None


def _health(each: dict[str, Any]) -> tuple[Health, bool]:
    newest = each["newest_success_rate"]
    fails = newest is not None and newest <= FAILING and each["newest_calls"] >= FEWEST_CALLS
    return (
        Health(
            each["provider"],
            each["model"],
            each["calls"],
            each["success_rate"],
            each["latency_p50"],
            each["latency_p95"],
            "open" if fails else "closed",
        ),
        fails,
    )
