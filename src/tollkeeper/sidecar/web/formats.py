"""Figures as people read them, numbers in their language's manner. What is unknown is a dash, and never a zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal

from babel import Locale, UnknownLocaleError, dates, negotiate_locale, numbers
from babel.localedata import locale_identifiers

from tollkeeper.model.usage import TOKEN_METERS

UNKNOWN = "–"
ENGLISH = Locale("en", "US")
SMALLEST_CENT = Decimal("0.01")
SIGNIFICANT = 3
"""Digits of an amount below a cent."""
MINUTE, HOUR, DAY = 60, 3600, 86_400
JUST_NOW = timedelta(seconds=2)
TWICE = 2
"""A unit of time is not used below that: nine days are not a week."""
LARGE: Sequence[tuple[int, str]] = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))

Number = Decimal | int | float


def locale_of(accepted: str) -> Locale:
    """The first language of an `Accept-Language` header that is known here; else that of the United States."""
    wanted = [part.partition(";")[0].strip().replace("-", "_") for part in accepted.split(",")][:10]
    found = negotiate_locale([each for each in wanted if each.isascii()], locale_identifiers())
    try:
        return Locale.parse(found) if found else ENGLISH
    except (UnknownLocaleError, ValueError):
        return ENGLISH


@dataclass(frozen=True, slots=True)
class Formats:
    """`zone` is the one that moments are shown in."""

    locale: Locale = ENGLISH
    zone: tzinfo = UTC

    def usd(self, amount: Decimal | None) -> str:
        """US dollars. Below a cent, as many digits as say something; the exact amount is for a title."""
        if amount is None:
            return UNKNOWN
        if amount and abs(amount) < SMALLEST_CENT:
            digits = min(9, SIGNIFICANT - 1 - amount.adjusted())
            return self._currency(amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN), digits)
        return self._currency(amount, 0 if abs(amount) >= 100_000 else 2)

    def usd_exact(self, amount: Decimal | None) -> str:
        """All digits, and the currency's code."""
        return "unknown" if amount is None else f"{amount.normalize():f} USD"

    def usd_price(self, price: Decimal | None) -> str:
        """US dollars a unit, to the last digit: a price is never rounded."""
        if price is None:
            return UNKNOWN
        exponent = price.normalize().as_tuple().exponent
        return self._currency(price, max(2, -exponent if isinstance(exponent, int) else 0))

    def unit_price(self, meter: str, price: Decimal | None) -> str:
        """US dollars a unit; of tokens, of a million, as price lists have it."""
        if price is None or meter not in TOKEN_METERS:
            return self.usd_price(price)
        return f"{self.usd_price(price.scaleb(6))} per 1M"

    def nano_usd(self, amount: int | None) -> str:
        """US dollars, of billionths."""
        return UNKNOWN if amount is None else self.usd(Decimal(amount).scaleb(-9))

    def count(self, value: Number | None) -> str:
        """A whole number."""
        return UNKNOWN if value is None else numbers.format_decimal(value, format="#,##0", locale=self.locale)

    def short(self, value: Number | None) -> str:
        """A whole number in three digits or so: 12.3K, 4.56M."""
        if value is None:
            return UNKNOWN
        size = abs(Decimal(str(value)))
        if size < 10_000:
            return self.count(value)
        unit, letter = next(each for each in LARGE if size >= each[0])
        shown = Decimal(str(value)) / unit
        return f"{self.decimal(shown, 0 if abs(shown) >= 100 else 1)}{letter}"

    def decimal(self, value: Number | None, digits: int = 2) -> str:
        """A number with up to so many digits behind its point."""
        shape = "#,##0." + "#" * digits if digits else "#,##0"
        return UNKNOWN if value is None else numbers.format_decimal(value, format=shape, locale=self.locale)

    def percent(self, share: Number | None, digits: int = 1) -> str:
        """A share of one."""
        shape = f"#,##0.{'#' * digits}%"
        return UNKNOWN if share is None else numbers.format_percent(share, format=shape, locale=self.locale)

    def change(self, now: Number | None, before: Number | None) -> str:
        """By how much of what it was something has changed, with its sign; nothing where that cannot be said."""
        if now is None or not before:
            return ""
        share = (Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))
        sign = "+" if share > 0 else "−" if share < 0 else "±"
        return sign + self.percent(abs(share), 0 if abs(share) >= 1 else 1)

    def seconds(self, value: Number | None) -> str:
        """A duration."""
        if value is None:
            return UNKNOWN
        if value < 1:
            return f"{self.decimal(value * 1000, 0)} ms"
        if value < 2 * MINUTE:
            return f"{self.decimal(value, 1)} s"
        if value < 2 * HOUR:
            return f"{self.decimal(value / MINUTE, 0)} min"
        return f"{self.decimal(value / HOUR, 1)} h" if value < 2 * DAY else f"{self.decimal(value / DAY, 1)} days"

    def milliseconds(self, value: Number | None) -> str:
        """A duration in milliseconds."""
        return UNKNOWN if value is None else self.seconds(value / 1000)

    def moment(self, at: datetime | None) -> str:
        """Day and time to the second, in the zone of the page."""
        if at is None:
            return UNKNOWN
        return dates.format_datetime(at, "d MMM y, HH:mm:ss", self.zone, ENGLISH)

    def minute(self, at: datetime | None) -> str:
        """Day and time to the minute."""
        return UNKNOWN if at is None else dates.format_datetime(at, "d MMM y, HH:mm", self.zone, ENGLISH)

    def clock(self, at: datetime | None) -> str:
        """The time of day."""
        return UNKNOWN if at is None else dates.format_time(at, "HH:mm:ss", tzinfo=self.zone, locale=ENGLISH)

    def day(self, at: date | datetime | None) -> str:
        """A day of the calendar."""
        if at is None:
            return UNKNOWN
        if isinstance(at, datetime):
            at = at.astimezone(self.zone).date()
        return dates.format_date(at, "d MMM y", ENGLISH)

    def ago(self, at: datetime | None, now: datetime) -> str:
        """How long ago that was, or how long it is until then."""
        if at is None:
            return UNKNOWN
        distance: timedelta = at - now
        if abs(distance) < JUST_NOW:
            return "just now"
        return dates.format_timedelta(distance, threshold=TWICE, add_direction=True, locale=ENGLISH)

    def words(self, found: Mapping[str, str]) -> str:
        """A scope: `tenant acme, model gpt-4o`; `everybody` where it is empty."""
        return ", ".join(f"{name} {value or '(none)'}" for name, value in found.items()) or "everybody"

    def _currency(self, amount: Decimal, digits: int) -> str:
        pattern = self.locale.currency_formats["standard"].apply
        shown: str = pattern(amount, self.locale, currency="USD", currency_digits=False, force_frac=(digits, digits))
        return shown
