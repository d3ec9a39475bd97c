"""Our own records: the text of a record in a log's body, or a usage event's attributes. Both give the same digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.sidecar.intake import Arrival
from tollkeeper.storage.ledger import Started
from tollkeeper.telemetry import event, record
from tollkeeper.telemetry.content import INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS

CONTENT = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)


def arrival(text: str) -> Arrival:
    """The call whose record this is. Raises `ValueError` for anything else."""
    return Arrival(record.decode(text), record.digest(text))


def started(text: str) -> Started:
    """The call that was begun. Raises `ValueError` for anything else."""
    return Started(record.decode(text))


def arrival_of_event(attributes: Mapping[str, Any]) -> Arrival:
    """The call whose usage event has these attributes; prompts and answers in it are left out.

    Raises `ValueError`, `TypeError`, `LookupError` or `ArithmeticError` for what is no event of ours.
    """
    call = event.decode({name: value for name, value in attributes.items() if name not in CONTENT})
    # By way of its record, so that it passes the same checks, and has the same digest.
    return arrival(record.encode(call))
