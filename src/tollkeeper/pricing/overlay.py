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

    [[price]]                                  # several dated rows of one model: days in UTC, both included
    provider = "openai"
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

A row says all that a model charges for: a call that uses a meter with no price in its row is unpriced, but for the
usual more general prices (reasoning is output, a cache read without a price of its own is input).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from tollkeeper.model.usage import Meter
from tollkeeper.pricing.context import Context, context_of
from tollkeeper.pricing.rates import EXACT, ZERO, Price, Prices, Rates, rates_of

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

PER_MILLION: Mapping[str, Meter] = {
    "input": "input",
    "input_audio": "input_audio",
    "input_image": "input_image",
    "input_video": "input_video",
    "cache_read": "cache_read",
    "cache_read_audio": "cache_read_audio",
    "cache_read_image": "cache_read_image",
    "cache_write": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "output": "output",
    "output_audio": "output_audio",
    "output_image": "output_image",
    "reasoning": "reasoning",
}
PER_UNIT: Mapping[str, tuple[Meter, int]] = {
    "per_request": ("requests", 1),
    "per_search": ("web_searches", 1),
    "per_second": ("input_audio_seconds", 1),
    "per_image": ("output_images", 1),
    "per_1k_characters": ("input_characters", 1000),
}

_MATCH_FIELDS = ("provider", "model", "valid_from", "valid_to")
_PERCENT = "a percentage from 0 to 100"


class OverlayError(ValueError):
    """Everything that is wrong with a price file, a line each: where, what it says, what was expected."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a row is about: globs, and days in UTC, both included."""

    provider: str = "*"
    model: str = "*"
    valid_from: date | None = None
    valid_to: date | None = None

    def fits(self, provider: str, model: str, day: date) -> bool:
        """Whether the row is about this model on this day."""
        return (
            fnmatchcase(provider.lower(), self.provider.lower())
            and fnmatchcase(model.lower(), self.model.lower())
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_to is None or day <= self.valid_to)
        )


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What a model costs in one context."""

    match: Match
    prices: Prices
    context: Context = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a model, and, if it is not the same, the provider whose prices it has."""

    match: Match
    model: str
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """What is left to pay of the catalogue's price: 0.9 is 10 % off."""

    match: Match
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Overlay:
    """A price file. Of each kind of row, the first that matches wins."""

    name: str = "overlay"
    prices: tuple[PriceRow, ...] = ()
    aliases: tuple[Alias, ...] = ()
    discounts: tuple[Discount, ...] = ()

    def rates(self, provider: str, model: str, context: Context, day: int) -> Rates | None:
        """What a price row says of a model, on a day counted from the epoch."""
        on = _date(day)
        for row in self.prices:
            if row.context == context and row.match.fits(provider, model, on):
                return rates_of(row.prices, provider, model, "overlay", self.name)
        return None

    def alias(self, provider: str, model: str, day: int) -> tuple[str, str] | None:
        """The provider and model that this one is another name of."""
        on = _date(day)
        for row in self.aliases:
            if row.match.fits(provider, model, on):
                return row.provider or provider, row.model
        return None

    def discount(self, provider: str, model: str, day: int) -> Decimal | None:
        """The factor on the catalogue's price, if a discount is agreed."""
        on = _date(day)
        for row in self.discounts:
            if row.match.fits(provider, model, on):
                return row.factor
        return None

    @classmethod
    def parse(cls, text: str, where: str) -> Overlay:
        """Read the text of a price file; `where` names it in messages. One `OverlayError` tells all mistakes."""
        try:
            content = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise OverlayError(f"{where}: not valid TOML: {error}") from error
        reader = _Reader(where)
        overlay = reader.overlay(content)
        if reader.mistakes:
            raise OverlayError("\n".join(reader.mistakes))
        return overlay


def _date(day: int) -> date:
    return date.fromordinal(EPOCH_ORDINAL + day)


@dataclass(slots=True)
class _Reader:
    """Reads a whole file, noting each mistake with its place, so that all of them can be told at once."""

    where: str
    mistakes: list[str] = field(default_factory=list)

    def overlay(self, content: Mapping[str, Any]) -> Overlay:
        self._known(content, "", {"name", "price", "alias", "discount"})
        return Overlay(
            name=self._text(content, "", "name") or "overlay",
            prices=tuple(self._price(row, place) for row, place in self._rows(content, "price")),
            aliases=tuple(self._alias(row, place) for row, place in self._rows(content, "alias")),
            discounts=tuple(self._discount(row, place) for row, place in self._rows(content, "discount")),
        )

    def _price(self, row: Mapping[str, Any], place: str) -> PriceRow:
        self._known(row, place, {*_MATCH_FIELDS, "context", "free", *PER_MILLION, *PER_UNIT})
        prices: dict[Meter, Price] = {}
        for key, meter in PER_MILLION.items():
            if (amount := self._money(row, place, key)) is not None:
                prices[meter] = Price(EXACT.divide(amount, Decimal(1_000_000)))
        for key, (meter, units) in PER_UNIT.items():
            if (amount := self._money(row, place, key)) is not None:
                prices[meter] = Price(EXACT.divide(amount, Decimal(units)))
        free = row.get("free", False)
        if not isinstance(free, bool):
            self._mistake(place, "free", free, "true or false")
        elif free and prices:
            self._mistake(place, "free", free, "no prices beside it")
        elif free:
            prices = {"input": Price(ZERO), "output": Price(ZERO)}
        elif not any(key in row for key in (*PER_MILLION, *PER_UNIT)):
            self._mistake(place, "", None, "at least one price, or free = true")
        return PriceRow(self._match(row, place), prices, self._context(row, place))

    def _alias(self, row: Mapping[str, Any], place: str) -> Alias:
        self._known(row, place, {*_MATCH_FIELDS, "is", "is_provider"})
        if "model" not in row:
            self._mistake(place, "model", None, "the name to translate")
        if "is" not in row:
            self._mistake(place, "is", None, "the model that it is")
        return Alias(self._match(row, place), self._text(row, place, "is") or "", self._text(row, place, "is_provider"))

    def _discount(self, row: Mapping[str, Any], place: str) -> Discount:
        self._known(row, place, {*_MATCH_FIELDS, "percent"})
        percent = self._money(row, place, "percent")
        if "percent" not in row:
            self._mistake(place, "percent", None, _PERCENT)
        elif percent is not None and percent > 100:
            self._mistake(place, "percent", row["percent"], _PERCENT)
        factor = EXACT.divide(EXACT.subtract(Decimal(100), percent or ZERO), Decimal(100))
        return Discount(self._match(row, place), factor)

    def _match(self, row: Mapping[str, Any], place: str) -> Match:
        first, last = self._day(row, place, "valid_from"), self._day(row, place, "valid_to")
        if first is not None and last is not None and last < first:
            self._mistake(place, "valid_to", last, f"a day not before valid_from, {first}")
        return Match(self._text(row, place, "provider") or "*", self._text(row, place, "model") or "*", first, last)

    def _rows(self, content: Mapping[str, Any], table: str) -> list[tuple[Mapping[str, Any], str]]:
        rows = content.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self._mistake("", table, rows, f"tables, each headed [[{table}]]")
            return []
        return [(row, f"{table}[{number}]") for number, row in enumerate(rows)]

    def _known(self, row: Mapping[str, Any], place: str, fields: set[str]) -> None:
        for key in row.keys() - fields:
            near = get_close_matches(key, fields, n=1)
            self._mistake(place, key, row[key], f"{near[0]!r}" if near else "one of " + ", ".join(sorted(fields)))

    def _text(self, row: Mapping[str, Any], place: str, key: str) -> str | None:
        value = row.get(key)
        if value is None or isinstance(value, str) and value.strip():
            return value
        self._mistake(place, key, value, "a text that is not empty")
        return None

    def _money(self, row: Mapping[str, Any], place: str, key: str) -> Decimal | None:
        value = row.get(key)
        if value is None:
            return None
        try:
            amount = None if isinstance(value, bool) else Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            amount = None
        if amount is not None and amount.is_finite() and amount >= 0:
            return amount
        self._mistake(place, key, value, 'a number that is not negative, such as "2.50"')
        return None

    def _day(self, row: Mapping[str, Any], place: str, key: str) -> date | None:
        value = row.get(key)
        if value is None or isinstance(value, date) and not isinstance(value, datetime):
            return value
        self._mistake(place, key, value, "a day, such as 2026-01-31 (no quotes, no time)")
        return None

    def _context(self, row: Mapping[str, Any], place: str) -> Context:
        value = row.get("context", {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            self._mistake(place, "context", value, 'texts, such as { service_tier = "flex" }')
            return ()
        return context_of(value, None)

    def _mistake(self, place: str, key: str, value: object, expected: str) -> None:
        at = ".".join(part for part in (place, key) if part)
        self.mistakes.append(f"{self.where}: {at}: {_shown(value)}; expected {expected}")


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    text = str(value) if isinstance(value, Decimal | date) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
