"""Which model is meant by a name on an invoice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.reconcile.names import family, matched


@pytest.mark.parametrize(
    "one, other",
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("Claude Haiku 4.5", "claude-haiku-4-5-20251001"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("openai/gpt-4.1", "openai/gpt-4.1-2025-04-14"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
    ],
)
def test_versions_and_ways_of_writing_are_of_one_family(one: str, other: str) -> None:
    assert family(one) == family(other)


@pytest.mark.parametrize("one, other", [("gpt-4o", "gpt-4o-mini"), ("gpt-4.1", "gpt-4"), ("o3", "o3-mini")])
def test_others_are_not(one: str, other: str) -> None:
    assert family(one) != family(other)


def test_what_both_have_stays_and_what_is_alone_finds_its_like() -> None:
    both = ["gpt-4o-2024-08-06", "gpt-5"]
    assert matched(both, both, {}) == {name: name for name in both}
    found = matched(["claude-haiku-4-5-20251001"], ["Claude Haiku 4.5"], {})
    assert set(found.values()) == {"claude-haiku-4-5-20251001"}
    # Asked for without a version, and answered without one, beside calls that were answered with one.
    found = matched(["gpt-4o", "gpt-4o-2024-08-06"], ["gpt-4o-2024-08-06"], {})
    assert set(found.values()) == {"gpt-4o-2024-08-06"}


def test_where_there_are_several_to_choose_from_nothing_is_guessed() -> None:
    found = matched(["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"], ["gpt-4o"], {})
    assert found["gpt-4o"] == "gpt-4o"
    assert found["gpt-4o-2024-05-13"] != found["gpt-4o-2024-08-06"] or found["gpt-4o-2024-05-13"] == "gpt-4o"


def test_an_alias_goes_before() -> None:
    found = matched(
        ["gpt-4o-2024-08-06"], ["gpt 4o 0806 Inp glbl Tokens"], {"gpt 4o 0806 Inp glbl Tokens": "gpt-4o-2024-08-06"}
    )
    assert set(found.values()) == {"gpt-4o-2024-08-06"}


NAMES = st.lists(
    st.sampled_from(["a", "a-2024-01-01", "a-20250101", "b", "B", "b-0613", "", "c.1", "c-1"]), unique=True
)


@given(NAMES, NAMES)
def test_every_name_has_one_and_it_is_somebodys(ledger: list[str], invoice: list[str]) -> None:
    found = matched(ledger, invoice, {})
    assert set(found) == {*ledger, *invoice}
    assert set(found.values()) <= {*ledger, *invoice}
    assert all(found[name] == name for name in set(ledger) & set(invoice))
    assert all(found[found[name]] == found[name] for name in found)
