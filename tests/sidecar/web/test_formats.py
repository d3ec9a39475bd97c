"""Figures as people read them: nothing that is unknown is a zero, and no amount is rounded to nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.sidecar.web.formats import UNKNOWN, Formats, locale_of

ENGLISH, GERMAN = Formats(), Formats(locale_of("de-DE,de;q=0.9"))
NOW = datetime(2026, 3, 31, 14, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("en-US,en;q=0.9", "en_US"),
        ("de-DE", "de_DE"),
        ("tlh, fr;q=0.5", "fr"),
        ("", "en_US"),
        ("*", "en_US"),
        ("../../etc/passwd", "en_US"),
        ("日本語", "en_US"),
        ("x" * 10_000, "en_US"),
    ],
)
def test_the_first_language_that_is_known_is_taken(accepted: str, expected: str) -> None:
    assert str(locale_of(accepted)) == expected


@pytest.mark.parametrize(
    ("amount", "english", "german"),
    [
        ("1234567.891", "$1,234,568", "1.234.568\xa0$"),
        ("12.345", "$12.34", "12,34\xa0$"),
        ("0.00012345", "$0.000123", "0,000123\xa0$"),
        ("0.000000001", "$0.000000001", "0,000000001\xa0$"),
        ("0", "$0.00", "0,00\xa0$"),
        ("-0.5", "-$0.50", "-0,50\xa0$"),
    ],
)
def test_money_in_two_languages(amount: str, english: str, german: str) -> None:
    assert (ENGLISH.usd(Decimal(amount)), GERMAN.usd(Decimal(amount))) == (english, german)


@given(st.decimals(min_value=Decimal("0.000000001"), max_value=Decimal(10) ** 12, places=9))
def test_no_amount_is_shown_as_nothing(amount: Decimal) -> None:
    assert any(digit in "123456789" for digit in ENGLISH.usd(amount))
    assert Decimal(ENGLISH.usd_exact(amount).removesuffix(" USD")) == amount


def test_what_is_unknown_is_a_dash() -> None:
    shown = (
        ENGLISH.usd(None), ENGLISH.count(None), ENGLISH.short(None), ENGLISH.decimal(None), ENGLISH.percent(None),
        ENGLISH.seconds(None), ENGLISH.milliseconds(None), ENGLISH.moment(None), ENGLISH.minute(None),
        ENGLISH.clock(None), ENGLISH.day(None), ENGLISH.ago(None, NOW),
    )  # fmt: skip
    assert set(shown) == {UNKNOWN} and ENGLISH.change(1, None) == ENGLISH.change(None, 1) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [(999, "999"), (9_999, "9,999"), (12_345, "12.3K"), (1_234_567, "1.2M"), (456 * 10**9, "456B")],
)
def test_short_numbers(value: int, expected: str) -> None:
    assert ENGLISH.short(value) == expected


@pytest.mark.parametrize(
    ("now", "before", "expected"), [(5, 4, "+25%"), (3, 4, "−25%"), (4, 4, "±0%"), (4, 0, ""), (30, 10, "+200%")]
)
def test_changes_have_their_sign(now: int, before: int, expected: str) -> None:
    assert ENGLISH.change(now, before) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.25, "250 ms"), (3.21, "3.2 s"), (300, "5 min"), (3 * 3600, "3 h"), (5 * 86_400, "5 days")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert ENGLISH.seconds(seconds) == expected


def test_moments_are_in_the_zone_of_the_page() -> None:
    berlin = Formats(Locale("en", "US"), ZoneInfo("Europe/Berlin"))
    late = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    assert (berlin.moment(late), berlin.day(late)) == ("1 Apr 2026, 01:30:00", "1 Apr 2026")
    assert berlin.ago(late - timedelta(hours=3), late) == "3 hours ago"
    assert berlin.ago(late, late) == "just now"
    assert [berlin.ago(late + timedelta(days=days), late) for days in (9, 14)] == ["in 9 days", "in 2 weeks"]


def test_a_scope_in_words() -> None:
    assert ENGLISH.words({"tenant": "acme", "user": ""}) == "tenant acme, user (none)"
    assert ENGLISH.words({}) == "everybody"


def test_a_tokens_price_is_that_of_a_million() -> None:
    assert ENGLISH.unit_price("input", Decimal("0.00000015")) == "$0.15 per 1M"
    assert ENGLISH.unit_price("input", Decimal("0.0000001234567891234567891234567")) == (
        "$0.1234567891234567891234567 per 1M"
    )
    assert ENGLISH.unit_price("web_searches", Decimal("0.01")) == "$0.01"
    assert ENGLISH.unit_price("input", None) == UNKNOWN
