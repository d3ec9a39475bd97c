"""Our own records: the text of a record in a log's body, or a usage event's attributes. Both give the same digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tollkeeper.storage.ledger import Entry, Started
from tollkeeper.telemetry import event, record
from tollkeeper.telemetry.content import INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS
from tollkeeper.telemetry.reading import decode

CONTENT = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)

SPOOL = re.compile(r"[0-9a-f]{32}")
"""A spool's name, as it gives itself one. Names are kept and shown, so nothing else is taken for one."""


def entry(text: str) -> Entry:
    """The call whose record this is. Raises `ValueError` for anything else."""
    return Entry(decode(text), record.digest(text))


def started(text: str) -> Started:
    """The call that was begun. Raises `ValueError` for anything else."""
    return Started(decode(text))


def lost(text: str) -> tuple[str, int]:
    """A spool, and how many records it had to drop in all. Raises `ValueError` or `LookupError` for anything else."""
    told = json.loads(text)
    spool, dropped = told["spool"], told["dropped"]
    if type(spool) is not str or not SPOOL.fullmatch(spool) or type(dropped) is not int or not 0 <= dropped < 2**63:
        raise ValueError("it does not tell how many records which spool has lost")
    return spool, dropped


def entry_of_event(attributes: Mapping[str, Any]) -> Entry:
    """The call whose usage event has these attributes; prompts and answers in it are left out.

    Raises `ValueError`, `TypeError`, `LookupError` or `ArithmeticError` for what is no event of ours.
    """
    call = event.decode({name: value for name, value in attributes.items() if name not in CONTENT})
    # By way of its record, so that it passes the same checks, and has the same digest.
    return entry(record.encode(call))
