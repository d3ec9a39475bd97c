"""A day of a model: what the ledger has, what the invoice says, and by what they differ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, NamedTuple, get_args

from tollkeeper.insight.reconcile.recorded import Sums

CauseKind = Literal[
    "missed_calls", "not_invoiced", "price", "unpriced", "tier", "time_zone", "another_client", "rounding",
    "discount", "credit", "late_data", "unmatched_item", "unknown",
]  # fmt: skip
CAUSES: tuple[CauseKind, ...] = get_args(CauseKind)

MEANINGS: Mapping[CauseKind, str] = {
    "missed_calls": "the ledger lacks calls that were billed",
    "not_invoiced": "the ledger has calls that were not billed",
    "price": "the same tokens are billed at another price",
    "unpriced": "the ledger has no price for some of its calls",
    "tier": "calls are billed at the tariff of batches, or of another service tier",
    "time_zone": "the provider's days begin at another hour",
    "another_client": "somebody else's calls, which the ledger does not see, are on the same bill",
    "rounding": "amounts are rounded",
    "discount": "all models are billed at the same part of their price",
    "credit": "a credit was given",
    "late_data": "the provider's figures of the day are not complete yet",
    "unmatched_item": "something is billed that is no model of the ledger's",
    "unknown": "nothing that is known explains it",
}

Status = Literal["settled", "open"]


class Cause(NamedTuple):
    """Why they differ. `nano_usd` is by how much the invoice is higher for it; `None`: no money is told.

    `evidence` is what it was seen by, in what JSON can say: counts, ratios, names.
    """

    kind: CauseKind
    nano_usd: int | None
    evidence: Mapping[str, Any] = {}


class Billed(NamedTuple):
    """What the invoice says of a day of a model. What it does not say is `None`."""

    requests: int | None = None
    tokens: int | None = None
    nano_usd: int | None = None


class Cell(NamedTuple):
    """`causes` are the weightier first, and their amounts sum to the difference. `agrees`: within the tolerance."""

    provider: str
    day: date
    model: str
    source: str
    status: Status
    ledger: Sums
    invoice: Billed
    agrees: bool
    causes: tuple[Cause, ...] = ()

    @property
    def difference(self) -> int | None:
        """By how many nano-dollars the invoice is higher."""
        return None if self.invoice.nano_usd is None else self.invoice.nano_usd - self.ledger.nano_usd

    @property
    def token_difference(self) -> int | None:
        """By how many tokens the invoice is higher."""
        return None if self.invoice.tokens is None else self.invoice.tokens - self.ledger.tokens

    @property
    def cause(self) -> Cause | None:
        """The weightiest."""
        return self.causes[0] if self.causes else None


class Tolerance(NamedTuple):
    """Differences that nobody is told of: below either of the two."""

    percent: float = 0.5
    nano_usd: int = 10_000_000

    def holds(self, difference: int, billed: int) -> bool:
        """Whether it is small enough, of that much."""
        return abs(difference) <= max(self.nano_usd, abs(billed) * self.percent / 100)


class CaptureRate(NamedTuple):
    """How much of what a provider billed the ledger has, of settled days: by tokens, else by requests."""

    provider: str
    measure: Literal["tokens", "requests"]
    ledger: int
    invoice: int

    @property
    def ratio(self) -> float | None:
        """`None`: nothing was billed."""
        return self.ledger / self.invoice if self.invoice else None
