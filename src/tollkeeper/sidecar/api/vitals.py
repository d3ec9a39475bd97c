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


class Forwarding(BaseModel):
    """What this process has sent on since it started, and what it could not. In requests."""

    sent: int
    dropped: int
    waiting: int = Field(description="To be sent on.")
    waiting_bytes: int
    retries: int = Field(description="Times that a request was tried again.")


class Spool(BaseModel):
    """A spool of an app process that had to drop records, as far as this sidecar was told since it started."""

    name: str = Field(description="Its folder, in the app's spool.", examples=["0b9f5c1d7a6e4f2c8d3b1a9e7c5f2d4b"])
    dropped: int = Field(description="Records given up in all, because the spool or the disk was full.", examples=[12])
    seen_at: datetime = Field(description="When it last said so.")


class Vitals(BaseModel):
    """Everything that only the running process knows."""

    started_at: datetime
    ingest: Ingest
    database: DatabaseState
    versions: dict[str, str] = Field(default={}, description="Of what it is made of.", examples=[{"python": "3.11.9"}])
    conflicts: int | None = Field(
        default=None, description="Calls in the ledger that were reported twice, differently."
    )
    forwarding: Forwarding | None = Field(default=None, description="Null where nothing is sent on.")
    spools: list[Spool] = Field(default=[], description="Those that lost records, the latest first; at most 100.")


class Health(Protocol):
    """Knows how the sidecar is."""

    def vitals(self) -> Vitals:
        """As things are now. Does not raise: a database that cannot be reached is not `reachable`."""
