"""Which version holds when, compared with a model that looks at each moment by itself."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.calls import call
from tollkeeper.model import Usage
from tollkeeper.pricing import Catalog
from tollkeeper.pricing.price_file import moment_text
from tollkeeper.storage.prices import HistoryQuery, PriceBook, PriceConflict
from tollkeeper.storage.prices.versions import PriceVersion, at_moment, spans

DAY = 86_400_000_000_000
HOUR = DAY // 24
START = 20_000 * DAY
BY: dict[str, Any] = {"author": "ada", "reason": "because"}

times = st.integers(0, 20)


@st.composite
def drawn_versions(draw: st.DrawFn) -> list[PriceVersion]:
    versions = []
    for id in range(1, draw(st.integers(1, 9))):
        start = draw(times)
        end = draw(st.none() | st.integers(start + 1, 22))
        withdrawn = draw(st.booleans()) and id > 1
        versions.append(PriceVersion(id, 1, "price", {}, withdrawn, start, end, id, "", "", "", None))
    return versions


def naive(versions: list[PriceVersion], at: int) -> int | None:
    """The last that was said about this moment."""
    for version in reversed(versions):
        if version.valid_from <= at and (version.valid_to is None or at < version.valid_to):
            return None if version.withdrawn else version.id
    return None


@given(versions=drawn_versions())
def test_the_last_that_was_said_about_a_moment_holds(versions: list[PriceVersion]) -> None:
    held = spans(versions)
    for at in range(25):
        span = at_moment(held, at)
        assert (span.version.id if span else None) == naive(versions, at)
        assert sum(one.holds(at) for one in held) <= 1
    for one, later in zip(held, held[1:], strict=False):
        assert one.valid_to is not None
        assert one.valid_to <= later.valid_from
    assert all(one.valid_to is None or one.valid_from < one.valid_to for one in held)


@given(versions=drawn_versions(), known=st.integers(0, 9))
def test_what_was_known_is_what_had_been_said(versions: list[PriceVersion], known: int) -> None:
    said = [version for version in versions if version.recorded_at <= known]
    held = spans(said)
    for at in range(25):
        span = at_moment(held, at)
        assert (span.version.id if span else None) == naive(said, at)


steps = st.lists(
    st.tuples(st.sampled_from(["change", "withdraw"]), st.integers(0, 60), st.none() | st.integers(1, 40)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_calls_are_priced_by_the_version_of_their_moment(
    book: PriceBook, steps: list[tuple[str, int, int | None]]
) -> None:
    """From the database through the overlay into the catalogue, to the microsecond, across days."""
    row = book.add("price", {"model": f"m{book.revision()}", "input": 1, "valid_from": moment_text(START)}, **BY).row
    model = book.current(START)[0].version.content["model"]
    for number, (action, start, length) in enumerate(steps):
        begin = START + start * HOUR
        try:
            if action == "withdraw":
                book.withdraw(row, at=begin, **BY)
            else:
                fields = {"valid_from": moment_text(begin), "input": number + 2}
                end = {} if length is None else {"valid_to": moment_text(begin + length * HOUR)}
                book.change(row, {**fields, **end}, **BY)
        except PriceConflict:
            assert action == "withdraw"
    versions = book.history(HistoryQuery(row=row))[0][::-1]
    catalog = Catalog(book.overlay())
    for hour in range(-1, 105):
        for at in (START + hour * HOUR - 1000, START + hour * HOUR):
            cost, _ = catalog.price(call("p", model, Usage(input_tokens=1, output_tokens=0), started_at=at))
            expected = naive(versions, at)
            assert (cost.price_version if cost else None) == (f"price {expected}" if expected else None)
