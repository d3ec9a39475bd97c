"""How counters are asked over HTTP: the paths, and how holds, charges and levels are written in JSON.

Rows instead of objects, as a call of the app is waiting. `now` is the moment of the answer, by the counters' clock.

    reserve  {"id", "owner", "expires_at", "charges"}                         -> {"now", "levels"} or {"now", "refused"}
    settle   {"id", "owner", "expires_at", "charges", "amounts", "assumed"}   -> {"now", "levels"}
    read     {"charges"}                                                      -> {"now", "levels"}
    holds                                                                     -> {"now", "holds"}

Reserve and settle may have `settled` too: settlements, as `settle` has them, that are booked before, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tollkeeper.storage.counters.contract import Charge, Held, Hold, Level, Refused, Settlement

ROOT = "/api/v1/counters"

encode = json.JSONEncoder(separators=(",", ":")).encode
"""Charges and levels are tuples, and so are written as rows."""


def of_hold(hold: Hold) -> dict[str, Any]:
    """A hold, as a request has it."""
    return {"id": hold.id, "owner": hold.owner, "expires_at": hold.expires_at, "charges": hold.charges}


def of_settlement(settlement: Settlement) -> dict[str, Any]:
    """A settlement, as a request has it."""
    hold, amounts, assumed = settlement
    return {**of_hold(hold), "amounts": amounts, "assumed": assumed}


def of_answer(answer: Held | Refused) -> dict[str, Any]:
    """What became of a reservation."""
    if isinstance(answer, Held):
        return {"levels": answer.levels}
    return {"refused": answer}


def answer_of(said: Mapping[str, Any]) -> Held | Refused:
    """The reverse of `of_answer`. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    refused = said.get("refused")
    if refused is None:
        return Held(levels_of(said["levels"]))
    place, level, retry_at = refused
    return Refused(place, Level(*level), retry_at)


def levels_of(rows: Sequence[Sequence[int]]) -> tuple[Level, ...]:
    return tuple([Level(*row) for row in rows])


def holds_of(rows: Sequence[Sequence[Any]]) -> tuple[Hold, ...]:
    return tuple(
        [Hold(id, owner, until, tuple([Charge(*each) for each in charges])) for id, owner, until, charges in rows]
    )
