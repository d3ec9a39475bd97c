"""What was used of each limit, and what calls under way may still use: reserve, settle, read."""

from tollkeeper.storage.counters.contract import (
    Charge,
    Counters,
    CountersUnavailable,
    Held,
    Hold,
    Level,
    Refused,
)

__all__ = ["Charge", "Counters", "CountersUnavailable", "Held", "Hold", "Level", "Refused"]
