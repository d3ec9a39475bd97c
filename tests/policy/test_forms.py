"""Readable forms of limits: what they mean, how they are written back, and what is said of those that mean nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import written
from tollkeeper.model import Window
from tollkeeper.model.limit import LARGEST_AMOUNT, MEASURES, PER, UNITS, Measure
from tollkeeper.policy.forms import NANO, Form, amount_text, name_of, read_amount, read_form, write_form

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "form", "name"),
    [
        ("60 requests / minute per user", Form("requests", 60, Window("minute", BERLIN), ("user",)),
         "requests-minute-per-user"),
        ("90,000 tokens / minute", Form("tokens", 90_000, Window("minute", BERLIN)), "tokens-minute"),
        ("$0.50 per request", Form("usd", 500_000_000), "usd-per-request"),
        ("$10 / day", Form("usd", 10 * NANO, Window("day", BERLIN)), "usd-day"),
        ("100,000 tokens / month per config", Form("tokens", 100_000, Window("month", BERLIN), ("config",)),
         "tokens-month-per-config"),
        ("$5 / day per tenant and model", Form("usd", 5 * NANO, Window("day", BERLIN), ("tenant", "model")),
         "usd-day-per-tenant-and-model"),
        ("10 concurrent calls per tenant", Form("concurrency", 10, None, ("tenant",)), "concurrency-per-tenant"),
        ("1,000 output tokens / rolling hour", Form("output_tokens", 1000, Window("hour", rolling=True)),
         "output-tokens-rolling-hour"),
        ("60 requests / rolling minute burst 10", Form("requests", 60, Window("minute", rolling=True, burst=10)),
         "requests-rolling-minute"),
        ("$10 / rolling day burst $2.50 per feature",
         Form("usd", 10 * NANO, Window("day", rolling=True, burst=2_500_000_000), ("feature",)),
         "usd-rolling-day-per-feature"),
        ("4,096 input tokens per request per user", Form("input_tokens", 4096, None, ("user",)),
         "input-tokens-per-request-per-user"),
        ("1 request / second", Form("requests", 1, Window("second", BERLIN)), "requests-second"),
        ("0 tokens / week per session", Form("tokens", 0, Window("week", BERLIN), ("session",)),
         "tokens-week-per-session"),
        ("$0.000000001 per request", Form("usd", 1), "usd-per-request"),
        ("$9,007,199.254740992 / month", Form("usd", LARGEST_AMOUNT, Window("month", BERLIN)), "usd-month"),
    ],
)  # fmt: skip
def test_a_form_in_its_own_spelling(text: str, form: Form, name: str) -> None:
    assert read_form(text, BERLIN) == form
    assert write_form(form) == text
    assert name_of(form) == name


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("2M tokens / month", "2,000,000 tokens / month"),
        ("1.5k tokens/day", "1,500 tokens / day"),
        ("1K tokens / day", "1,000 tokens / day"),
        ("1_000_000 token / day", "1,000,000 tokens / day"),
        ("$1.5M / month", "$1,500,000 / month"),
        ("$ 0.5 / call", "$0.50 per request"),
        ("$0.125 PER Request", "$0.125 per request"),
        ("60 calls per minute per user", "60 requests / minute per user"),
        ("60 requests per rolling minute burst 1k", "60 requests / rolling minute burst 1,000"),
        ("1 concurrent request", "1 concurrent call"),
        ("  $5  /  day per model and tenant ", "$5 / day per tenant and model"),
    ],
)
def test_other_spellings(text: str, spelled: str) -> None:
    assert write_form(read_form(text)) == spelled


@given(written.forms)
def test_what_is_written_is_read_as_the_same(form: Form) -> None:
    zone = form.window.zone if form.window else "UTC"
    text = write_form(form)
    assert read_form(text, zone) == form
    assert write_form(read_form(text, zone)) == text


@given(written.forms, written.amounts)
def test_the_name_has_no_part_in_the_amount(form: Form, amount: int) -> None:
    assert name_of(form._replace(amount=amount)) == name_of(form)


def test_names_tell_apart_whatever_is_not_the_amount() -> None:
    windows = [*(Window(unit) for unit in UNITS), *(Window(unit, rolling=True) for unit in UNITS), None]
    wheres = [(), *((each,) for each in PER), ("tenant", "user")]
    forms = {
        Form(measure, 1, window, per) for measure in MEASURES if measure != "concurrency"
        for window in windows for per in wheres
    }  # fmt: skip
    assert len({name_of(form) for form in forms}) == len(forms)


@given(st.decimals(min_value=0, max_value=9_007_199, places=9, allow_nan=False))
def test_dollars_are_exact(dollars: Decimal) -> None:
    amount = read_amount(f"{dollars:f}", "usd")
    assert Decimal(amount) == dollars.scaleb(9)
    assert read_amount(dollars, "usd") == read_amount(amount_text("usd", amount), "usd") == amount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'a form such as "60 requests / minute per user", "$10 / day" or "10 concurrent calls per tenant"'),
        ("$", 'a form such as "60 requests / minute per user"'),
        ("60 requsts / minute", "'requests' in place of 'requsts'"),
        (
            "60 apples / minute",
            "requests, tokens, input tokens, output tokens or concurrent calls in place of 'apples'",
        ),
        ("60", "requests, tokens, input tokens, output tokens or concurrent calls at the end"),
        ("10 input / day", "tokens in place of '/'"),
        ("10 concurrent dogs", "calls in place of 'dogs'"),
        ("60 requests / minuet", "'minute' in place of 'minuet'"),
        ("60 requests / year", "one of second, minute, hour, day, week, month in place of 'year'"),
        ("60 requests / 5 minutes", "one of second, minute, hour, day, week, month in place of '5'"),
        ("$10 per dya", "'day' in place of 'dya'"),
        ("60 requests", "a time, such as '/ minute', '/ rolling hour' at the end"),
        ("$5", "a time, such as '/ minute', '/ rolling hour' or 'per request' at the end"),
        ("$5 per tenant", "a time, such as '/ minute', '/ rolling hour' or 'per request' in place of 'per'"),
        ("60 requests per request", "a time, as each request is one request"),
        ("60 requests / rolling request", "one of second"),
        ("10 concurrent calls / minute", "no time: calls under way at once are counted"),
        ("$10 / day per tennant", "'tenant' in place of 'tennant'"),
        ("$10 / day per", "one of tenant, project, user"),
        ("$10 / day per user and user", "'user' only once"),
        ("$10 / day per user and", "one of tenant, project, user"),
        ("$10 / day tenant", "'per' or 'and' before 'tenant'"),
        ("$10 / day please", "nothing in place of 'please'"),
        ("$10 / day burst $5", "'rolling' before the time"),
        ("$10 / rolling day burst", "the burst: how much may be used at once"),
        ("60 requests / rolling day burst 0", "a burst above zero"),
        ("60 requests / rolling day burst $5", "a whole number from 0"),
        ("-5 tokens / day", "a whole number from 0 to 9,007,199,254,740,992"),
        ("1.5 tokens / day", "a whole number from 0"),
        ("1,5 tokens / day", "a whole number from 0"),
        ("10,00 tokens / day", "a whole number from 0"),
        ("1e3 tokens / day", "a whole number from 0"),
        ("٣ tokens / day", "a whole number from 0"),
        ("9007199254740993 tokens / day", "a whole number from 0"),
        (f"{'9' * 5000} tokens / day", "a whole number from 0"),
        ("$0.0000000001 / day", "US dollars from $0 to $9,007,199.254740992, exact to a billionth"),
        ("$9,007,199.254740993 / day", "US dollars from $0"),
    ],
)
def test_what_means_nothing_is_said_to(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_form(text)
    assert str(raised.value).startswith(expected)


@pytest.mark.parametrize(
    ("value", "measure", "amount"),
    [
        (60, "requests", 60),
        (Decimal("1E+3"), "tokens", 1000),
        (Decimal("2.0"), "tokens", 2),
        ("90k", "tokens", 90_000),
        (" 10 ", "concurrency", 10),
        (10, "usd", 10 * NANO),
        (Decimal("0.1"), "usd", 100_000_000),
        ("$0.10", "usd", 100_000_000),
    ],
)
def test_amounts(value: Any, measure: Measure, amount: int) -> None:
    assert read_amount(value, measure) == amount


@pytest.mark.parametrize(
    "value",
    [
        True, None, 0.5, [], {}, "", "ten", -1, 2**53 + 1, 1 << 20_000, Decimal("NaN"), Decimal("Infinity"),
        Decimal("-0.5"), Decimal("1E+999999999"), Decimal("1E-999999999"), Decimal("0." + "0" * 40 + "1"), "$5", "1 2",
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else str(value.bit_length()),
)  # fmt: skip
def test_no_amounts(value: Any) -> None:
    with pytest.raises(ValueError, match="a whole number from 0"):
        read_amount(value, "tokens")


@given(st.text(max_size=30))
def test_any_text_is_a_form_or_a_value_error(text: str) -> None:
    try:
        form = read_form(text)
    except ValueError as error:
        assert str(error)
    else:
        assert read_form(write_form(form)) == form
