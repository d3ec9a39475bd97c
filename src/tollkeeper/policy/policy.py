"""Everything that was decided about calls: the limits, by name."""

from __future__ import annotations

from dataclasses import dataclass

from tollkeeper.model import Limit


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for the calls of an app."""

    name: str = "policy"
    limits: tuple[Limit, ...] = ()
