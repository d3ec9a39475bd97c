"""The written form of price rows, TOML or JSON: read with all its mistakes told at once, and written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, NamedTuple

from tollkeeper.model.usage import Meter
from tollkeeper.pricing.context import Context, context_of
from tollkeeper.pricing.rates import EXACT, ZERO, Price
from tollkeeper.pricing.rows import PER_MILLION, PER_UNIT, Alias, Discount, Match, PriceRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOSECONDS_A_DAY = 86_400_000_000_000
MILLION = Decimal(1_000_000)
FAR = 2**63 - 1
"""The last moment that databases keep, in 2262. What is later is then."""
DEAREST, SMALLEST = Decimal(10**12), Decimal("1e-30")
"""Between these, the cost of any call is exact in 60 digits."""

_MATCH_FIELDS = ("provider", "model", "valid_from", "valid_to", "version")
_PERCENT = "a percentage from 0 to 100"

Document = Mapping[str, Any]
"""One row as it is written: names, texts and numbers."""


class OverlayError(ValueError):
    """Everything that is wrong with price rows, a line each: where, what it says, what was expected."""


class Content(NamedTuple):
    """What a price file says."""

    name: str
    prices: tuple[PriceRow, ...]
    aliases: tuple[Alias, ...]
    discounts: tuple[Discount, ...]


def read_toml(text: str, where: str) -> Content:
    """The rows of a price file. Raises `OverlayError`."""
    try:
        content = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise OverlayError(f"{where}: not valid TOML: {error}") from error
    return _read(content, where)


def read_json(text: str | bytes, where: str) -> Content:
    """The same content as JSON: days and moments are texts in ISO 8601. Raises `OverlayError`."""
    try:
        content = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise OverlayError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise OverlayError(f"{where}: {shown(content)}; expected an object")
    return _read(
        {key: [dated(row) for row in rows] if isinstance(rows, list) else rows for key, rows in content.items()}, where
    )


def _read(content: Document, where: str) -> Content:
    reader = Reader(where)
    found = reader.content(content)
    reader.finish()
    return found


def dated(row: Any) -> Any:
    """A row of JSON, its `valid_from` and `valid_to` no texts any more, where they are written as they should be."""
    if not isinstance(row, Mapping):
        return row
    return {**row, **{key: _moment(row[key]) for key in ("valid_from", "valid_to") if isinstance(row.get(key), str)}}


def _moment(text: str) -> Any:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)
    except ValueError:
        return text


@dataclass(slots=True)
class Reader:
    """Reads rows, noting each mistake with its place, so that all of them can be told at once."""

    where: str
    mistakes: list[str] = field(default_factory=list)

    def finish(self) -> None:
        """Raise what was found to be wrong."""
        if self.mistakes:
            raise OverlayError("\n".join(self.mistakes))

    def content(self, content: Document) -> Content:
        """A whole file."""
        self._known(content, "", {"name", "price", "alias", "discount"})
        return Content(
            name=self.text(content, "", "name") or "overlay",
            prices=tuple(self.price(row, place) for row, place in self._rows(content, "price")),
            aliases=tuple(self.alias(row, place) for row, place in self._rows(content, "alias")),
            discounts=tuple(self.discount(row, place) for row, place in self._rows(content, "discount")),
        )

    def price(self, row: Document, place: str) -> PriceRow:
        """A row that says what a model costs."""
        self._known(row, place, {*_MATCH_FIELDS, "context", "free", *PER_MILLION, *PER_UNIT})
        prices: dict[Meter, Price] = {}
        for key, meter in PER_MILLION.items():
            if (amount := self._money(row, place, key)) is not None:
                prices[meter] = Price(EXACT.divide(amount, MILLION))
        for key, (meter, units) in PER_UNIT.items():
            if (amount := self._money(row, place, key)) is not None:
                prices[meter] = Price(EXACT.divide(amount, Decimal(units)))
        free = row.get("free", False)
        if not isinstance(free, bool):
            self.mistake(place, "free", free, "true or false")
        elif free and prices:
            self.mistake(place, "free", free, "no prices beside it")
        elif free:
            prices = {"input": Price(ZERO), "output": Price(ZERO)}
        elif not any(key in row for key in (*PER_MILLION, *PER_UNIT)):
            self.mistake(place, "", None, "at least one price, or free = true")
        match, context, version = self._match(row, place), self._context(row, place), self.text(row, place, "version")
        return PriceRow(match, prices, context, version)

    def alias(self, row: Document, place: str) -> Alias:
        """A row that says what a name stands for."""
        self._known(row, place, {*_MATCH_FIELDS, "is", "is_provider"})
        if "model" not in row:
            self.mistake(place, "model", None, "the name to translate")
        if "is" not in row:
            self.mistake(place, "is", None, "the model that it is")
        what, whose = self.text(row, place, "is") or "", self.text(row, place, "is_provider")
        return Alias(self._match(row, place), what, whose, self.text(row, place, "version"))

    def discount(self, row: Document, place: str) -> Discount:
        """A row that says what is off a price."""
        self._known(row, place, {*_MATCH_FIELDS, "percent", "tenant"})
        percent = self._money(row, place, "percent")
        if "percent" not in row:
            self.mistake(place, "percent", None, _PERCENT)
        elif percent is not None and percent > 100:
            self.mistake(place, "percent", row["percent"], _PERCENT)
        factor = EXACT.divide(EXACT.subtract(Decimal(100), percent or ZERO), Decimal(100))
        tenant = self.text(row, place, "tenant")
        return Discount(self._match(row, place), factor, tenant, self.text(row, place, "version"))

    def text(self, row: Document, place: str, key: str) -> str | None:
        """A text, if there is one; an empty one is a mistake."""
        value = row.get(key)
        if value is None or isinstance(value, str) and value.strip():
            return value
        self.mistake(place, key, value, "a text that is not empty")
        return None

    def mistake(self, place: str, key: str, value: object, expected: str) -> None:
        """Note what is wrong."""
        at = ".".join(part for part in (place, key) if part)
        self.mistakes.append(f"{self.where}: {at}: {shown(value)}; expected {expected}")

    def _match(self, row: Document, place: str) -> Match:
        first, last = self._when(row, place, "valid_from"), self._when(row, place, "valid_to")
        start, end = _nanoseconds(first), _nanoseconds(last)
        if end is not None and not isinstance(last, datetime):
            end = min(end + NANOSECONDS_A_DAY, FAR)  # the last day is included
        if start is not None and end is not None and end <= start:
            order = "a moment after" if isinstance(last, datetime) else "a day not before"
            self.mistake(place, "valid_to", last, f"{order} valid_from, {first}")
        whose, which = self.text(row, place, "provider"), self.text(row, place, "model")
        return Match(whose or "*", which or "*", start, end)

    def _rows(self, content: Document, table: str) -> list[tuple[Document, str]]:
        rows = content.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.mistake("", table, rows, f"tables, each headed [[{table}]]")
            return []
        return [(row, f"{table}[{number}]") for number, row in enumerate(rows)]

    def _known(self, row: Document, place: str, fields: set[str]) -> None:
        for key in row.keys() - fields:
            near = get_close_matches(key, fields, n=1)
            self.mistake(place, key, row[key], f"{near[0]!r}" if near else "one of " + ", ".join(sorted(fields)))

    def _money(self, row: Document, place: str, key: str) -> Decimal | None:
        value = row.get(key)
        if value is None:
            return None
        try:
            amount = None if isinstance(value, bool | float) else Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            amount = None
        if amount is None or not amount.is_finite() or amount < 0:
            exact = " (a text: a float is not exact)" if isinstance(value, float) else ""
            self.mistake(place, key, value, f'a number that is not negative, such as "2.50"{exact}')
            return None
        if amount > DEAREST or amount != EXACT.quantize(amount, SMALLEST):
            self.mistake(place, key, value, f"no more than {DEAREST:,f}, and {-SMALLEST.adjusted()} decimals at most")
            return None
        return amount

    def _when(self, row: Document, place: str, key: str) -> date | None:
        value = row.get(key)
        if value is None or isinstance(value, datetime) and value.tzinfo is not None:
            return value
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        self.mistake(place, key, value, "a day or a moment, such as 2026-01-31 or 2026-01-31T18:00:00Z (no quotes)")
        return None

    def _context(self, row: Document, place: str) -> Context:
        value = row.get("context", {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            self.mistake(place, "context", value, 'texts, such as { service_tier = "flex" }')
            return ()
        return context_of(value, None)


def price_document(row: PriceRow) -> dict[str, Any]:
    """A price as it is written; amounts are exact texts."""
    amounts = {
        **{key: (meter, MILLION) for key, meter in PER_MILLION.items()},
        **{key: (meter, Decimal(units)) for key, (meter, units) in PER_UNIT.items()},
    }
    written = {
        key: plain(EXACT.multiply(row.prices[meter].base, units))
        for key, (meter, units) in amounts.items()
        if meter in row.prices
    }
    free = not any(price.base for price in row.prices.values())
    context = {"context": dict(row.context)} if row.context else {}
    return _matched(row.match, row.version) | context | ({"free": True} if free else written)


def alias_document(row: Alias) -> dict[str, Any]:
    """An alias as it is written."""
    whose = {} if row.provider is None else {"is_provider": row.provider}
    return _matched(row.match, row.version) | {"is": row.model} | whose


def discount_document(row: Discount) -> dict[str, Any]:
    """A discount as it is written; the percentage is an exact text."""
    percent = EXACT.multiply(EXACT.subtract(Decimal(1), row.factor), Decimal(100))
    return (
        _matched(row.match, row.version) | ({"tenant": row.tenant} if row.tenant else {}) | {"percent": plain(percent)}
    )


def write_json(name: str, tables: Mapping[str, Iterable[Document]]) -> str:
    """Rows, by table, as `read_json` reads them."""
    return json.dumps({"name": name, **{table: list(rows) for table, rows in tables.items()}}, ensure_ascii=False)


def write_toml(name: str, tables: Mapping[str, Iterable[Document]]) -> str:
    """Rows, by table, as `read_toml` reads them."""
    lines = [f"name = {_toml('name', name)}"]
    for table, rows in tables.items():
        for row in rows:
            lines += ["", f"[[{table}]]", *(f"{key} = {_toml(key, value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_quoted(name)} = {_quoted(text)}" for name, text in value.items()) + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if key in ("valid_from", "valid_to") else _quoted(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _matched(match: Match, version: str | None) -> dict[str, Any]:
    return {
        "provider": match.provider,
        "model": match.model,
        **({} if match.valid_from is None else {"valid_from": moment_text(match.valid_from)}),
        **({} if match.valid_to is None else {"valid_to": moment_text(match.valid_to)}),
        **({} if version is None else {"version": version}),
    }


def moment_text(at: int) -> str:
    """Nanoseconds since the epoch in ISO 8601, to the microsecond."""
    return (EPOCH + timedelta(microseconds=at // 1000)).isoformat().replace("+00:00", "Z")


def plain(amount: Decimal) -> str:
    """The shortest text of an exact amount, without an exponent."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _nanoseconds(when: date | None) -> int | None:
    if when is None:
        return None
    moment = when if isinstance(when, datetime) else datetime(when.year, when.month, when.day, tzinfo=UTC)
    return max(-FAR, min((moment - EPOCH) // timedelta(microseconds=1) * 1000, FAR))


def shown(value: object) -> str:
    """A value for a message, not too long."""
    if value is None:
        return "missing"
    text = str(value) if isinstance(value, Decimal | date) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
