"""What somebody wants to say about a price: as it was typed, and as the price book takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from tollkeeper.client.records import HeldPrice
from tollkeeper.sidecar.web.amounts import as_typed, read_money
from tollkeeper.sidecar.web.filters import Filters
from tollkeeper.sidecar.web.forms import number_in
from tollkeeper.sidecar.web.pages.pricing.meters import (
    BY_FIELD,
    METERS,
    UNIT_WORDS,
    Unit,
    as_kept,
    as_shown,
    unit_of,
)

Kind = Literal["price", "alias", "discount"]
KINDS: tuple[Kind, ...] = ("price", "alias", "discount")
NAMES = (
    "for_provider", "for_model", "for_tenant", "percent", "stands_for", "stands_for_provider", "at", "source",
    "of_provider", "of_model",
)  # fmt: skip
DAY = re.compile(r"\d{4}-\d\d-\d\d")
DIGITS = 24
"""After the point: more than any price has, of a single token too."""


class Mistakes(Exception):
    """What cannot be understood, by the name of its field."""

    def __init__(self, found: Mapping[str, str]) -> None:
        super().__init__("; ".join(found.values()))
        self.found = found


@dataclass(frozen=True)
class Draft:
    """Texts as they were typed. `row` is the one that is changed, `expected` its version that was looked at.

    `was` is the unit that the form was shown with: without JavaScript, another one in `per` says nothing of what is
    meant by the amounts. `of_provider` and `of_model` are whose prices were filled in; `has_price`: whether there
    were any, if they just were looked for. `at` is a day, or a moment.
    """

    kind: Kind = "price"
    row: int | None = None
    expected: int | None = None
    per: Unit = "1m"
    was: Unit = "1m"
    free: bool = False
    when: Literal["now", "at"] = "now"
    names: Mapping[str, str] = field(default_factory=dict)
    amounts: Mapping[str, str] = field(default_factory=dict)
    has_price: bool | None = None

    def __getattr__(self, name: str) -> str:
        if name in NAMES:
            return self.names.get(name, "")
        raise AttributeError(name)

    @property
    def subject(self) -> str:
        """Whom it is about, in words."""
        who = " ".join(part for part in (self.for_provider, self.for_model) if part and part != "*") or "all models"
        return f"{who} for {self.for_tenant}" if self.for_tenant else who

    @property
    def day(self) -> str:
        """Of `at`."""
        return self.at.partition("T")[0]

    @property
    def time(self) -> str:
        """Of `at`; empty: the beginning of the day."""
        return self.at.partition("T")[2]

    def parameters(self) -> dict[str, str]:
        """All of it, for a URL or the hidden fields of a form."""
        known = {"kind": self.kind, "row": self.row, "expected": self.expected, "when": self.when}
        units = {"per": self.per, "was": self.per}
        told = {**known, **units, "free": "yes" if self.free else "", **self.names, **self.amounts}
        return {name: str(value) for name, value in told.items() if value not in (None, "")}

    def understood(self, filters: Filters, now: datetime) -> tuple[datetime | None, dict[str, Any]]:
        """When it begins, and what it says. Raises `Mistakes` with all of them."""
        mistakes: dict[str, str] = {}
        begins, fields = None, dict[str, Any]()
        try:
            begins = self.begins(filters, now)
        except Mistakes as error:
            mistakes |= error.found
        try:
            fields = self.fields()
        except Mistakes as error:
            mistakes |= error.found
        if mistakes:
            raise Mistakes(mistakes)
        return begins, fields

    def begins(self, filters: Filters, now: datetime) -> datetime | None:
        """The moment from which on it holds; `None`: from now on. Raises `Mistakes`."""
        if self.when == "now":
            return None
        try:
            typed = datetime.fromisoformat(self.at)
            zoned = (typed if typed.tzinfo else typed.replace(tzinfo=filters.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            told = f"{self.day} {self.time}".strip()
            missing = "Choose the day." if not self.day else f"“{told}” is not a day, nor a day and a time."
            raise Mistakes({"at": missing}) from None
        if not 1971 <= zoned.year <= 2199:
            raise Mistakes({"at": f"{self.day} is out of reach: choose a day from 1971 to 2199."})
        return zoned

    def fields(self) -> dict[str, Any]:
        """As a row of the price book. Raises `Mistakes`."""
        about = {"provider": self.for_provider or "*", "model": self.for_model or "*"}
        if self.kind == "discount":
            return {**about, "tenant": self.for_tenant or None, "percent": self._percent()}
        if self.kind == "alias":
            if not self.stands_for:
                raise Mistakes({"stands_for": "Say which model it is: one that has a price, such as gpt-4o."})
            return {**about, "is": self.stands_for, "is_provider": self.stands_for_provider or None}
        return {**about, **self._prices()}

    def cleared(self) -> dict[str, Any]:
        """The same for a row that is there: what is not said any more is taken away."""
        said = self.fields()
        nothing = {meter.field: None for meter in METERS} if self.kind == "price" and not self.free else {}
        return {**nothing, **said}

    def converted(self) -> Draft:
        """The same prices by the unit that is chosen now; what cannot be understood stays as it is."""
        amounts = dict(self.amounts)
        for name, text in self.amounts.items():
            meter = BY_FIELD[name]
            with suppress(ValueError):
                kept = as_kept(meter, read_money(text, DIGITS), self.was)
                amounts[name] = as_typed(as_shown(meter, kept, self.per))
        return replace(self, amounts=amounts, was=self.per)

    def over(self, row: HeldPrice) -> Draft:
        """The same, to be said of a row that is there."""
        return replace(self, row=row.row, expected=row.version)

    def _prices(self) -> dict[str, Any]:
        if self.per != self.was and self.amounts:
            raise Mistakes({"per": f"You chose another unit: are these prices {UNIT_WORDS[self.per]}? Then go on."})
        found: dict[str, Any] = {}
        mistakes: dict[str, str] = {}
        for name, text in self.amounts.items():
            try:
                found[name] = as_kept(BY_FIELD[name], read_money(text, DIGITS), self.per)
            except ValueError as error:
                mistakes[name] = f"{BY_FIELD[name].words}: {error}."
        if mistakes:
            raise Mistakes(mistakes)
        if self.free:
            if found:
                raise Mistakes({"free": "It is free, or it has prices: not both."})
            return {"free": True}
        if not found:
            raise Mistakes({"input": "Say at least one price, or that it is free."})
        return found

    def _percent(self) -> Decimal:
        try:
            percent = read_money(self.percent.removesuffix("%"), DIGITS)
        except ValueError as error:
            raise Mistakes({"percent": f"Percent off: {error}."}) from None
        if percent > 100:
            raise Mistakes({"percent": f"Percent off is {self.percent}; expected 100 at the most."})
        return percent


def read_draft(given: Mapping[str, Any]) -> Draft:
    """Of a URL, or a form."""
    amounts = {meter.field: text for meter in METERS if (text := _text(given, meter.field))}
    names = {name: text for name in NAMES if (text := _text(given, name))}
    day, time, when = (_text(given, name) for name in ("day", "time", "when"))
    if DAY.fullmatch(when):
        names["at"], when = when, "at"
    elif day or time:
        names["at"] = f"{day}T{time}" if time else day
    return Draft(
        kind=next((kind for kind in KINDS if kind == given.get("kind")), "price"),
        row=number_in(_text(given, "row")),
        expected=number_in(_text(given, "expected")),
        per=unit_of(given),
        was=unit_of({"per": given.get("was") or given.get("per")}),
        free=given.get("free") == "yes",
        when="at" if when == "at" else "now",
        names=names,
        amounts=amounts,
    )


def likely_days(filters: Filters, now: datetime) -> dict[date, str]:
    """From when on prices mostly are set, in words: tomorrow, and the first of the next month."""
    today = now.astimezone(filters.zone).date()
    tomorrow, first = today + timedelta(days=1), (today.replace(day=1) + timedelta(days=31)).replace(day=1)
    return {first: "From next month on"} | {tomorrow: "From tomorrow on"}


def draft_of(row: HeldPrice, per: Unit) -> Draft:
    """What a row says, to be changed."""
    return of_content(row.kind, row.content, per).over(row)


def of_content(kind: str, content: Mapping[str, Any], per: Unit) -> Draft:
    """What a version says."""
    names = {
        "for_provider": "provider", "for_model": "model", "for_tenant": "tenant", "percent": "percent",
        "stands_for": "is", "stands_for_provider": "is_provider",
    }  # fmt: skip
    return Draft(
        kind=next((each for each in KINDS if each == kind), "price"),
        per=per,
        was=per,
        free=content.get("free") is True,
        names={name: str(content[key]) for name, key in names.items() if content.get(key)},
        amounts=dict(_amounts(content, per)),
    )


def _amounts(content: Mapping[str, Any], per: Unit) -> Iterator[tuple[str, str]]:
    for meter in METERS:
        if (kept := content.get(meter.field)) is not None:
            yield meter.field, as_typed(as_shown(meter, Decimal(str(kept)), per))


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value.strip()[:2000] if isinstance(value, str) else ""
