"""An alert: a finding that people are told of, from when it began until it is over. All moments are nanoseconds."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from tollkeeper.model.finding import Finding

Event = Literal["fired", "worsened", "repeated", "resolved"]
"""Why somebody is told."""
EVENTS: tuple[Event, ...] = get_args(Event)


class Alert(NamedTuple):
    """`finding` is as it was seen last, at the highest level that it holds.

    `ended_at` is `None` while it fires. Whoever has acknowledged it is not told of it again, unless it comes to a
    higher level than `acknowledged_level`.
    """

    id: str
    finding: Finding
    began_at: int
    seen_at: int
    ended_at: int | None = None
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    acknowledged_level: int = 0

    @property
    def is_firing(self) -> bool:
        """Whether it is not over."""
        return self.ended_at is None


class Notification(NamedTuple):
    """One message to one channel. `id` is its own for ever: who gets it twice can tell by it."""

    id: str
    channel: str
    event: Event
    alert: Alert
    created_at: int
