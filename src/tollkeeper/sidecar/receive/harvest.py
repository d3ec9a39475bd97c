"""What one request brought, while it is being decoded: what is good, what is of no use here, and what is broken."""

from __future__ import annotations

from dataclasses import dataclass, field

from tollkeeper.sidecar.intake import Batch
from tollkeeper.storage.ledger import Entry, Started
from tollkeeper.telemetry.emission import Emission

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading a value of an unexpected type or range can raise."""

REASONS = 5
LONGEST = 300
"""Reasons that are told to the sender, and characters of each: an answer stays far below 4 MiB."""


@dataclass(slots=True)
class Harvest:
    """The records of one request, sorted. `ignored` were valid, and are of no use here; `rejected` were not valid.

    `lost` are the records that spools had to drop, by spool, each in all. `gaps` are the places of those records that
    could not even be parsed, in order.
    """

    noun: str
    calls: list[Entry] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    emissions: list[Emission] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    ignored: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)

    def reject(self, at: int, why: object) -> None:
        """Leave out the record that is number `at` of those that could be parsed."""
        self.rejected += 1
        if len(self.reasons) < REASONS:
            for gap in self.gaps:
                at += gap <= at
            self.reasons.append(_reason(f"{self.noun} {at}", why))

    def reject_unparsed(self, at: int, why: object, records: int = 1) -> None:
        """Leave out what is number `at` of all, and could not be parsed; it stands for as many records."""
        self.rejected += records
        self.gaps.append(at)
        if len(self.reasons) < REASONS:
            self.reasons.append(_reason(f"{self.noun} {at}", why))

    def reject_call(self, id: str, why: str) -> None:
        """A call that was read, and that no ledger can keep."""
        self.rejected += 1
        if len(self.reasons) < REASONS:
            self.reasons.append(_reason(f"call {id}", why))

    @property
    def message(self) -> str:
        """Which records were rejected and why; the first of them, where there are many."""
        more = "; …" if self.rejected > len(self.reasons) else ""
        return "; ".join(self.reasons) + more

    def batch(self) -> Batch:
        return Batch(self.calls, self.started, self.emissions)


def _reason(which: str, why: object) -> str:
    said = f"{which}: {type(why).__name__ + ' ' if isinstance(why, LookupError) else ''}{why}"
    # The text may hold what the record did, and goes into an answer that has to be UTF-8.
    return said[:LONGEST].encode("utf-8", "replace").decode()
