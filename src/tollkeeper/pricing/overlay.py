"""The user's own price file: custom and self-hosted models, deployment names, negotiated discounts.

    name = "acme 2026-11"                      # shown with every cost that uses the file

    [[price]]                                  # what a model costs; the first row that matches wins
    provider = "vllm"                          # a gen_ai.provider.name; both are globs, and "*" if left out
    model = "llama-3*"
    input = "0.20"                             # US dollars per million tokens; see PER_MILLION for the other meters
    output = "0.60"

    [[price]]
    provider = "ollama"
    free = true                                # a price of zero that somebody stated

    [[price]]                                  # several dated rows of one model: days in UTC, both included,
    provider = "openai"                        # or moments (2026-01-01T18:00:00Z), of which valid_to is not included
    model = "acme-tuned"
    valid_from = 2026-01-01
    valid_to = 2026-06-30
    input = 5
    output = 15
    per_request = "0.001"                      # also per_search, per_second, per_image, per_1k_characters

    [[price]]                                  # a row is for standard calls, unless it says otherwise
    provider = "openai"
    model = "gpt-4o"
    context = { service_tier = "flex" }
    input = "1.10"
    output = "4.40"

    [[alias]]                                  # an Azure deployment, a fine-tune, a gateway's name
    provider = "azure.ai.openai"
    model = "team-a-*"
    is = "gpt-4o-2024-11-20"                   # also is_provider, where somebody else's price list applies

    [[discount]]                               # off the catalogue's price (not off [[price]] rows)
    provider = "anthropic"
    model = "claude-*"
    percent = 12.5

    [[discount]]                               # for the calls of one tenant, by their tag: off any price, and in place
    tenant = "acme"                            # of the discounts that are for everybody
    percent = 20

A row says all that a model charges for: a call that uses a meter with no price in its row is unpriced, but for the
usual more general prices (reasoning is output, a cache read without a price of its own is input).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tollkeeper.pricing.context import Context
from tollkeeper.pricing.price_file import (
    OverlayError,
    alias_document,
    discount_document,
    price_document,
    read_json,
    read_toml,
    write_json,
    write_toml,
)
from tollkeeper.pricing.rates import Rates, rates_of
from tollkeeper.pricing.rows import Alias, Discount, Match, PriceRow

__all__ = ["Alias", "Discount", "Match", "Overlay", "OverlayError", "PriceRow"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """Price rows of one's own. Of each kind, the first that matches wins. Moments are nanoseconds since the epoch."""

    name: str = "overlay"
    prices: tuple[PriceRow, ...] = ()
    aliases: tuple[Alias, ...] = ()
    discounts: tuple[Discount, ...] = ()

    def rates(self, provider: str, model: str, context: Context, at: int) -> Rates | None:
        """What a price row says of a model."""
        for row in self.prices:
            if row.context == context and row.match.fits(provider, model, at):
                return rates_of(row.prices, provider, model, "overlay", row.version or self.name)
        return None

    def alias(self, provider: str, model: str, at: int) -> Alias | None:
        """What says that this is another name of some model."""
        return next((row for row in self.aliases if row.match.fits(provider, model, at)), None)

    def discount(self, provider: str, model: str, tenant: str | None, at: int) -> Discount | None:
        """What is off the catalogue's price: what is agreed for the tenant, else for everybody."""
        return self.tenant_discount(provider, model, tenant, at) or self._discount(provider, model, None, at)

    def tenant_discount(self, provider: str, model: str, tenant: str | None, at: int) -> Discount | None:
        """What is off any price, because it is agreed for this tenant."""
        return None if tenant is None else self._discount(provider, model, tenant, at)

    def _discount(self, provider: str, model: str, tenant: str | None, at: int) -> Discount | None:
        for row in self.discounts:
            if row.tenant == tenant and row.match.fits(provider, model, at):
                return row
        return None

    @property
    def tenants(self) -> frozenset[str]:
        """Who has a discount of its own."""
        return frozenset(row.tenant for row in self.discounts if row.tenant is not None)

    def changes(self, names: list[tuple[str, str]], start: int, end: int) -> list[int]:
        """The moments between two at which a row about one of some (provider, model) begins or ends, ascending."""
        meant = [
            (row.provider or provider, row.model)
            for row in self.aliases for provider, model in names if row.match.names(provider, model)
        ]  # fmt: skip
        names = [*names, *meant]
        found: set[int] = set()
        rows: tuple[PriceRow | Alias | Discount, ...] = (*self.prices, *self.aliases, *self.discounts)
        for row in rows:
            at = {at for at in (row.match.valid_from, row.match.valid_to) if at is not None and start < at < end}
            if at and any(row.match.names(*name) for name in names):
                found |= at
        return sorted(found)

    def over(self, other: Overlay) -> Overlay:
        """These rows, then those of another list. Each row says from which list it is."""
        if other == Overlay():
            return self
        mine, theirs = self._signed(), other._signed()
        return Overlay(
            f"{self.name}, {other.name}",
            mine.prices + theirs.prices, mine.aliases + theirs.aliases, mine.discounts + theirs.discounts,
        )  # fmt: skip

    def _signed(self) -> Overlay:
        return Overlay(
            self.name,
            tuple(replace(row, version=row.version or self.name) for row in self.prices),
            tuple(replace(row, version=row.version or self.name) for row in self.aliases),
            tuple(replace(row, version=row.version or self.name) for row in self.discounts),
        )

    def to_json(self) -> str:
        """The rows as a document that `parse_json` reads."""
        return write_json(self.name, self._tables())

    def to_toml(self) -> str:
        """The rows as a price file."""
        return write_toml(self.name, self._tables())

    def _tables(self) -> dict[str, list[dict[str, object]]]:
        return {
            "price": [price_document(row) for row in self.prices],
            "alias": [alias_document(row) for row in self.aliases],
            "discount": [discount_document(row) for row in self.discounts],
        }

    @classmethod
    def parse(cls, text: str, where: str) -> Overlay:
        """Read the text of a price file; `where` names it in messages. One `OverlayError` tells all mistakes."""
        return cls(*read_toml(text, where))

    @classmethod
    def parse_json(cls, text: str | bytes, where: str) -> Overlay:
        """Read what `to_json` wrote. One `OverlayError` tells all mistakes."""
        return cls(*read_json(text, where))
