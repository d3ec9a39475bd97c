"""How the sidecar is, as its main knows it: the protocol between it and `GET /overview`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, Field


class Ingest(BaseModel):
    """What this process has received since it started."""

    received: int = Field(default=0, description="Records of calls, spans and events.")
    recorded: int = Field(default=0, description="Calls that were new to the ledger.")
    duplicates: int = Field(default=0, description="Calls that the ledger had already, the same.")
    conflicts: int = Field(default=0, description="Calls that the ledger had already, with other content.")
    refused: int = Field(default=0, description="Requests that were told to come back later.")
    waiting: int = Field(default=0, description="Records that are received and not yet in the ledger.")
    lag_seconds: float | None = Field(default=None, description="From the end of the last call to its being recorded.")
    last_recorded_at: datetime | None = None


class DatabaseState(BaseModel):
    """The ledger's database."""

    kind: str = Field(description="sqlite or postgresql.", examples=["sqlite"])
    reachable: bool
    revision: str | None = Field(default=None, description="Of the schema.")
    bytes: int | None = Field(default=None, description="On disk.")


class Spool(BaseModel):
    """What an app process still has to send, as it said when it last did."""

    name: str = Field(description="Host and process.", examples=["web-1/4711"])
    waiting: int | None = Field(default=None, description="Records.")
    bytes: int | None = None
    dropped: int | None = Field(default=None, description="Records given up because the disk was full.")
    seen_at: datetime | None = None


class Vitals(BaseModel):
    """Everything that only the running process knows."""

    started_at: datetime
    ingest: Ingest
    database: DatabaseState
    versions: dict[str, str] = Field(default={}, description="Of what it is made of.", examples=[{"python": "3.11.9"}])
    conflicts: int | None = Field(
        default=None, description="Calls in the ledger that were reported twice, differently."
    )
    spools: list[Spool] = []


class Health(Protocol):
    """Knows how the sidecar is."""

    def vitals(self) -> Vitals:
        """As things are now. Does not raise: a database that cannot be reached is not `reachable`."""
