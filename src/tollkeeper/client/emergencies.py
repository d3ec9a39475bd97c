"""The questions about an emergency. Each function here is a method of both clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tollkeeper.client.ask import Ask, query_of, reader


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyChange:
    """What a person has done: `enter` or `leave`."""

    at: datetime
    author: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyState:
    """Whether there is an emergency. `declared`: the policy says what is done in one."""

    active: bool
    declared: bool
    last_change: EmergencyChange | None


def emergency() -> Ask[EmergencyState]:
    """Whether there is an emergency."""
    return Ask("GET", "/emergency", reader(EmergencyState))


def enter_emergency(*, reason: str) -> Ask[EmergencyState]:
    """Begin one, for all who share the sidecar's counters. It is ended by a person only."""
    return Ask("POST", "/emergency", reader(EmergencyState), body={"reason": reason})


def leave_emergency(*, reason: str) -> Ask[EmergencyState]:
    """End it."""
    return Ask("DELETE", "/emergency", reader(EmergencyState), query_of({"reason": reason}))
