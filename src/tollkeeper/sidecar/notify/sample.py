"""An alert that never was: to try a channel with, and to show what templates make of one."""

from __future__ import annotations

from typing import Final

from tollkeeper.model.alert import Alert, Event, Notification
from tollkeeper.model.finding import Finding
from tollkeeper.sidecar.notify.payload import NANO

MINUTE: Final = 60 * NANO
DAY: Final = 24 * 60 * MINUTE


def sample_notification(channel: str, now: int, event: Event = "fired", suffix: str = "") -> Notification:
    """What a channel would be told of a tenant that has used 85 % of ten dollars a day, now (nanoseconds).

    `suffix` tells one try from another: what is fired and resolved with the same one is one alert.
    """
    start = now - now % DAY
    facts = {
        "measure": "usd",
        "amount": 10 * NANO,
        "used": 8_500_000_000,
        "held": 200_000_000,
        "percent": 85.0,
        "form": "$10 / day per tenant",
        "mode": "hard",
        "window": "day",
        "pace": 1.7,
        "forecast": 17 * NANO,
        "contributors": [
            {"dimension": "model", "value": "gpt-4o", "amount": 6_120_000_000, "share": 0.72},
            {"dimension": "model", "value": "gpt-4o-mini", "amount": 2_380_000_000, "share": 0.28},
        ],
        "threshold": 80,
    }
    finding = Finding("limit", "example", {"tenant": "acme"}, "warning", 80, start, start + DAY, facts)
    alert = Alert(
        id=f"example{suffix}",
        finding=finding,
        began_at=now - MINUTE,
        seen_at=now,
        ended_at=now if event == "resolved" else None,
    )
    return Notification(f"example{suffix}-{event}", channel, event, alert, now)
