"""Rows that hold between moments, and discounts of tenants: exact, and free where there are none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.calls import MILLION, at, call
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog, Overlay, OverlayError
from tollkeeper.pricing.lookup import NANOSECONDS_A_DAY
from tollkeeper.pricing.overlay import Alias, Discount, Match, PriceRow
from tollkeeper.pricing.rates import EXACT, Price
from tollkeeper.pricing.rows import PER_MILLION, PER_UNIT

ONE_IN = Usage(input_tokens=MILLION, output_tokens=0)


def priced(catalog: Catalog, provider: str, model: str, **fields: Any) -> tuple[Any, ...]:
    cost, status = catalog.price(call(provider, model, ONE_IN, **fields))
    return (status,) if cost is None else (cost.usd, cost.price_version)


def test_a_row_may_begin_and_end_within_a_day() -> None:
    catalog = Catalog(
        Overlay.parse(
            """
            name = "list"
            [[price]]
            model = "m"
            valid_from = 2026-03-01T18:00:00Z
            valid_to = 2026-03-01T20:00:00+01:00
            input = 1
            [[price]]
            model = "m"
            valid_to = 2026-03-01
            input = 2
            """,
            "prices.toml",
        )
    )
    for when, amount in (((17, 59, 59), 2), ((18, 0, 0), 1), ((18, 59, 59), 1), ((19, 0, 0), 2), ((23, 59, 59), 2)):
        assert priced(catalog, "p", "m", started_at=at(2026, 3, 1, *when)) == (amount, "list"), when
    assert priced(catalog, "p", "m", started_at=at(2026, 3, 2)) == ("unpriced",)


def test_moments_say_their_zone_and_their_order() -> None:
    for line, message in (
        ("valid_from = 2026-03-01T18:00:00", "price[0].valid_from: 2026-03-01 18:00:00; expected a day or a moment"),
        ("valid_from = 2026-03-01T18:00:00Z\nvalid_to = 2026-03-01T18:00:00Z", "expected a moment after valid_from"),
    ):
        with pytest.raises(OverlayError) as caught:
            Overlay.parse(f"[[price]]\ninput = 1\n{line}", "prices.toml")
        assert message in str(caught.value)


@pytest.mark.parametrize("day", ["9999-12-31", "2262-04-12"])
def test_a_day_too_far_away_is_never(day: str) -> None:
    catalog = Catalog(Overlay.parse(f'[[price]]\nmodel = "m"\nvalid_to = {day}\ninput = 1', "prices.toml"))
    assert priced(catalog, "p", "m", started_at=at(2100, 1, 1))[0] == 1


def test_the_catalogues_own_hours_go_on_between_changes() -> None:
    """DeepSeek was cheaper at night, until September 2025. A discount begins in the middle of the cheap hours."""
    plain = Catalog()
    catalog = Catalog(
        Overlay.parse('[[discount]]\nprovider = "deepseek"\npercent = 50\nvalid_from = 2025-06-02T17:00:00Z', "file")
    )
    seen = set()
    for minute in range(0, 24 * 60, 5):
        moment = at(2025, 6, 2, minute // 60, minute % 60)
        before, after = (priced(one, "deepseek", "deepseek-chat", started_at=moment)[0] for one in (plain, catalog))
        assert after == (before if minute < 17 * 60 else before / 2)
        seen.add(after)
    assert len(seen) > 2


def test_an_alias_may_change_its_meaning() -> None:
    catalog = Catalog(
        Overlay.parse(
            """
            [[alias]]
            model = "team"
            is = "gpt-4o"
            is_provider = "openai"
            valid_to = 2026-03-01T12:00:00Z
            [[alias]]
            model = "team"
            is = "own"
            [[price]]
            model = "own"
            input = 7
            valid_from = 2026-03-01T13:00:00Z
            """,
            "prices.toml",
        )
    )
    assert [priced(catalog, "p", "team", started_at=at(2026, 3, 1, hour))[0] for hour in (11, 12, 13)] == [
        Decimal("2.5"), "unpriced", 7,
    ]  # fmt: skip


TENANTS = """
name = "deal"
[[price]]
model = "m"
input = "0.3"
[[discount]]
percent = 10
[[discount]]
tenant = "acme"
provider = "openai"
percent = "33.3333333"
[[discount]]
tenant = "acme"
percent = 50
[[discount]]
tenant = "free"
percent = 100
"""


def test_a_tenants_discount_is_exact_and_takes_the_place_of_the_general_one() -> None:
    catalog = Catalog(Overlay.parse(TENANTS, "prices.toml"))
    listed = Decimal("2.5")
    for tenant, cost in (
        (None, listed * Decimal("0.9")), ("other", listed * Decimal("0.9")), ("acme", listed * Decimal("0.666666667")),
        ("ACME", listed * Decimal("0.9")),
    ):  # fmt: skip
        tags = {} if tenant is None else {"tenant": tenant}
        assert priced(catalog, "openai", "gpt-4o", tags=tags)[0] == cost, tenant
    # Off a row of the file too, which a general discount is not.
    assert priced(catalog, "vllm", "m", server_address="example.com") == (Decimal("0.3"), "deal")
    assert priced(catalog, "vllm", "m", server_address="example.com", tags={"tenant": "acme"})[0] == Decimal("0.15")
    cost, status = catalog.price(call("openai", "gpt-4o", tags={"tenant": "free"}))
    assert cost is not None
    assert (cost.usd, status) == (0, "free")


def test_tenants_without_a_discount_share_one_look_up() -> None:
    catalog = Catalog(Overlay.parse(TENANTS, "prices.toml"))
    for number in range(50):
        priced(catalog, "openai", "gpt-4o", tags={"tenant": f"t{number}"})
    priced(catalog, "openai", "gpt-4o", tags={"tenant": "acme"})
    assert len(catalog._own.schedules) == 2


def test_other_prices_are_in_force_with_the_next_call() -> None:
    catalog = Catalog()
    assert priced(catalog, "vllm", "m", server_address="example.com") == ("unpriced",)
    for amount in (1, 2):
        catalog.use(Overlay.parse(f'name = "{amount}"\n[[price]]\nmodel = "m"\ninput = {amount}', "prices.toml"))
        assert priced(catalog, "vllm", "m", server_address="example.com") == (amount, str(amount))
    catalog.use(Overlay())
    assert priced(catalog, "vllm", "m", server_address="example.com") == ("unpriced",)


def test_one_list_over_another() -> None:
    first = Overlay.parse('name = "a"\n[[price]]\nmodel = "m"\ninput = 1', "a")
    second = Overlay.parse('name = "b"\n[[price]]\nmodel = "?"\ninput = 2\n[[discount]]\npercent = 50', "b")
    both = Catalog(first.over(second))
    assert priced(both, "p", "m") == (1, "a")
    assert priced(both, "p", "n") == (2, "b")
    usd, version = priced(both, "openai", "gpt-4o")
    assert usd == Decimal("1.25")
    assert version.startswith("genai-prices ")
    assert version.endswith(", b")
    assert first.over(Overlay()) is first


names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).filter(str.strip)
moments = st.integers(-(10**17), 4 * 10**18).map(lambda at: at // 1000 * 1000)
amounts = st.decimals(0, 10**6, places=9).map(abs)


@st.composite
def matches(draw: st.DrawFn) -> Match:
    start = draw(st.none() | moments)
    end = draw(st.none() | (moments if start is None else st.integers(1, 10**15).map(lambda more: start + more * 1000)))
    return Match(draw(names), draw(names), start, end)


@st.composite
def price_rows(draw: st.DrawFn) -> PriceRow:
    written = draw(st.dictionaries(st.sampled_from([*PER_MILLION, *PER_UNIT]), amounts, min_size=1))
    prices = {}
    for key, amount in written.items():
        meter, units = (PER_MILLION[key], MILLION) if key in PER_MILLION else PER_UNIT[key]
        prices[meter] = Price(EXACT.divide(amount, Decimal(units)))
    if not any(written.values()):
        prices = {"input": Price(Decimal(0)), "output": Price(Decimal(0))}
    context = draw(st.sampled_from([(), (("service_tier", "flex"),), (("region", 'a"\\'), ("speed", "fast"))]))
    return PriceRow(draw(matches()), prices, context, draw(st.none() | names))


overlays = st.builds(
    Overlay,
    names,
    st.lists(price_rows(), max_size=3).map(tuple),
    st.lists(st.builds(Alias, matches(), names, st.none() | names, st.none() | names), max_size=3).map(tuple),
    st.lists(
        st.builds(
            Discount, matches(), st.decimals(0, 1, places=9).map(abs), st.none() | names, st.none() | names
        ), max_size=3,
    ).map(tuple),
)  # fmt: skip


@given(overlay=overlays)
def test_what_is_written_is_what_is_read(overlay: Overlay) -> None:
    assert Overlay.parse_json(overlay.to_json(), "doc") == overlay
    assert Overlay.parse(overlay.to_toml(), "doc") == overlay


@given(
    rows=st.lists(st.tuples(st.integers(0, 60), st.none() | st.integers(1, 40)), min_size=1, max_size=6),
    hours=st.lists(st.integers(-2, 110), min_size=1, max_size=20),
)
def test_the_first_row_that_holds_at_the_moment_of_the_call_is_used(
    rows: list[tuple[int, int | None]], hours: list[int]
) -> None:
    """Compared with looking at each row by itself: the tables that are kept for a day must not show."""
    hour, start = NANOSECONDS_A_DAY // 24, at(2026, 3, 1)
    listed = [
        PriceRow(
            Match("p", "m", start + begin * hour, None if length is None else start + (begin + length) * hour),
            {"input": Price(Decimal(number))},
            (),
            f"v{number}",
        )
        for number, (begin, length) in enumerate(rows, 1)
    ]
    catalog = Catalog(Overlay("x", tuple(listed)))
    for moment in (start + offset * hour + nudge for offset in hours for nudge in (-1, 0)):
        expected = next((row.version for row in listed if row.match.holds(moment)), None)
        assert priced(catalog, "p", "m", started_at=moment)[-1] == (expected or "unpriced")


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("1e13", "no more than 1,000,000,000,000"), ("1e-31", "30 decimals at most"), ("1e999999", "no more than"),
        ("-0.1", "a number that is not negative"),
    ],
)  # fmt: skip
def test_amounts_are_of_a_size_that_is_exact(amount: str, expected: str) -> None:
    with pytest.raises(OverlayError, match=expected):
        Overlay.parse(f'[[price]]\ninput = "{amount}"', "prices.toml")


@pytest.mark.parametrize("text", ["[]", "{", '{"price": 3}', '{"price": [3]}', '{"pirce": []}', "nan", b"\xff\xfe\x00"])
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    with pytest.raises(OverlayError, match="^doc: "):
        Overlay.parse_json(text, "doc")


def test_json_takes_texts_and_no_floats_on_the_way() -> None:
    text = (
        '{"price": [{"model": "m", "input": 0.1, "valid_from": "2026-01-01", "valid_to": "2026-01-01T12:00:00+00:00"}]}'
    )
    (row,) = Overlay.parse_json(text, "doc").prices
    assert row.prices["input"].base == Decimal("0.0000001")
    assert (row.match.valid_from, row.match.valid_to) == (at(2026, 1, 1), at(2026, 1, 1, 12))
    for wrong in ("soon", "2026-13-01", "2026-01-01T00:00:00"):
        with pytest.raises(OverlayError, match="expected a day or a moment"):
            Overlay.parse_json(f'{{"price": [{{"input": 1, "valid_from": "{wrong}"}}]}}', "doc")
