"""The query parameters that several routes share, and what they mean for a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, Field

from tollkeeper.sidecar.api.zones import DEFAULT_DAYS, MOST_DAYS, Range, read_range
from tollkeeper.storage.ledger import DIMENSIONS
from tollkeeper.storage.ledger.contract import Dimension

LONGEST = 200


def _filter(meaning: str, example: str) -> list[str]:
    found: list[str] = Field(
        default=[], description=f"{meaning} Several: any of them. Empty: those without one.", examples=[[example]]
    )
    return found


class RangeParams(BaseModel):
    """Which time."""

    days: int | None = Field(
        default=None,
        ge=1,
        le=MOST_DAYS,
        description=f"The last so many days, today included. {DEFAULT_DAYS} if nothing is said.",
    )
    start: str | None = Field(
        default=None, max_length=LONGEST, description="A day or a moment (ISO 8601), included.", examples=["2026-01-01"]
    )
    end: str | None = Field(
        default=None,
        max_length=LONGEST,
        description="A day, which is included whole, or a moment, which is not.",
        examples=["2026-01-31"],
    )
    zone: str = Field(
        "UTC",
        max_length=LONGEST,
        description="The time zone (IANA) whose days, weeks and months are meant.",
        examples=["Europe/Berlin"],
    )

    def range(self, now: datetime) -> Range:
        """Raises `Refused`."""
        return read_range(self.start, self.end, self.days, self.zone, now)


class FilterParams(BaseModel):
    """Which calls."""

    provider: list[str] = _filter("The provider (`gen_ai.provider.name`).", "openai")
    model: list[str] = _filter("The model that answered, else the one that was asked for.", "gpt-4o-mini")
    operation: list[str] = _filter("The operation.", "chat")
    tenant: list[str] = _filter("The tag `tenant`.", "acme")
    project: list[str] = _filter("The tag `project`.", "website")
    user: list[str] = _filter("The tag `user`.", "u-17")
    service: list[str] = _filter("The tag `service`.", "search")
    feature: list[str] = _filter("The tag `feature`.", "match_pattern")
    config: list[str] = _filter("The tag `config`.", "v2")

    def filters(self) -> Mapping[Dimension, tuple[str, ...]]:
        """Those that are given."""
        return {name: tuple(wanted) for name in DIMENSIONS if (wanted := getattr(self, name))}
