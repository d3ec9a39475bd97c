"""Effects sum to the difference, whatever is compared: money is exact."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.insight.reconcile.cell import Tolerance
from tollkeeper.insight.reconcile.drift import settled_days
from tollkeeper.insight.reconcile.line import InvoiceLine, added, nano_usd, total
from tollkeeper.insight.reconcile.reconcile import Recorded, Terms, reconcile
from tollkeeper.insight.reconcile.recorded import Sums, hour_of

FIRST = date(2026, 9, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(5)]
TERMS = Terms("openai", DAYS[-1] + timedelta(days=1))
MODELS = st.sampled_from(["a", "b", "b-2024-01-01", ""])

counts = st.integers(0, 10**7)
amounts = st.decimals(-10, 10**4, allow_nan=False, allow_infinity=False, places=15)
sums = st.builds(Sums, counts, counts, counts, counts, counts, st.integers(0, 10**13), st.integers(0, 2), counts)
lines = st.builds(
    InvoiceLine,
    source=st.sampled_from(["openai", "openai-csv"]),
    provider=st.just("openai"),
    day=st.sampled_from(DAYS),
    told=st.sampled_from(["usage", "cost"]),
    model=MODELS,
    item=st.sampled_from(["input", "cache_read", "cache_write_5m", "prompt", "output", "total", "requests", "other"]),
    tokens=st.none() | counts,
    requests=st.none() | counts,
    amount=st.none() | amounts,
    tier=st.sampled_from(["", "standard", "batch", "priority"]),
    project=st.sampled_from(["", "p", "q"]),
    key=st.sampled_from(["", "k"]),
    raw=st.just({}),
)
ledgers = st.dictionaries(MODELS, st.dictionaries(st.integers(-24, 5 * 24 + 24), sums, max_size=6), max_size=3)


@settings(max_examples=60)
@given(st.lists(lines, max_size=12), ledgers, st.sampled_from([frozenset(), frozenset({"p"})]))
def test_causes_sum_to_the_difference(
    told: list[InvoiceLine], ledger: dict[str, dict[int, Sums]], own: frozenset[str]
) -> None:
    begins = hour_of(FIRST)
    hours = {("openai", name): {begins + at: each for at, each in found.items()} for name, found in ledger.items()}
    found = reconcile(told, Recorded(hours), DAYS, TERMS._replace(own=own))
    for cell in found.cells:
        assert (cell.difference is None) == (cell.invoice.nano_usd is None)
        if cell.difference is not None:
            assert sum(cause.nano_usd or 0 for cause in cell.causes) == cell.difference
    assert len({(cell.day, cell.model) for cell in found.cells}) == len(found.cells)
    for day in settled_days(found, TERMS._replace(own=own)):
        assert sum(day.causes.values()) == day.difference


@given(st.lists(amounts, max_size=30))
def test_sums_of_amounts_are_exact(found: list[Decimal]) -> None:
    assert total(found) * 10**15 == sum(int(amount.scaleb(15)) for amount in found)
    assert abs(nano_usd(total(found)) - total(found) * 10**9) <= Decimal("0.5")


@given(lines, lines)
def test_two_of_one_id_are_one(one: InvoiceLine, other: InvoiceLine) -> None:
    same = other._replace(**{name: getattr(one, name) for name in InvoiceLine._fields[:5]})
    both = added(one, same)
    assert both.id == one.id
    for name in ("tokens", "requests", "amount"):
        mine, theirs = getattr(one, name), getattr(same, name)
        expected = None if mine is None and theirs is None else (mine or 0) + (theirs or 0)
        assert getattr(both, name) == expected


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**12))
def test_the_tolerance_is_the_larger_of_two(difference: int, billed: int) -> None:
    tolerance = Tolerance(0.5, 10_000_000)
    assert tolerance.holds(difference, billed) == (abs(difference) <= max(10_000_000, billed * 0.005))
