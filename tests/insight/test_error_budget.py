"""Error budgets, computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.insight.error_budget import DAY, HOUR, MINUTE, PERIOD, WINDOWS, Counted, error_budget

CALM = {window: Counted(window // MINUTE, 0) for window in WINDOWS}  # a call a minute


def test_thresholds_are_those_of_the_workbook() -> None:
    found = error_budget(CALM, 0.999)
    assert [round(burn.threshold, 6) for burn in found.burns] == [14.4, 6, 1]
    assert (found.used, found.severity) == (0, None)


def test_a_budget_is_used_up_by_what_fails() -> None:
    found = error_budget({**CALM, PERIOD: Counted(10_000, 50)}, 0.99)
    assert found.allowed == pytest.approx(100)
    assert found.used == pytest.approx(0.5)


def test_both_windows_must_burn() -> None:
    """Fifteen of a hundred calls fail, of an objective of 99 %: a burn rate of 15."""
    hour = {**CALM, HOUR: Counted(100, 15)}
    over = error_budget({**hour, 5 * MINUTE: Counted(10, 0)})
    assert over.severity is None
    assert over.burns[0].long == pytest.approx(15)
    still = error_budget({**hour, 5 * MINUTE: Counted(10, 2)})
    assert still.severity == "critical" and still.burns[0].burning
    slow = error_budget({**CALM, 3 * DAY: Counted(1000, 11), 6 * HOUR: Counted(100, 2)})
    assert slow.severity == "warning"


def test_a_failure_or_two_in_the_night_are_no_news() -> None:
    assert error_budget({**CALM, HOUR: Counted(4, 4), 5 * MINUTE: Counted(2, 2)}).severity is None


def test_without_calls_nothing_is_known() -> None:
    found = error_budget({window: Counted(0, 0) for window in WINDOWS})
    assert (found.used, found.severity, found.burns[0].long) == (None, None, None)


@pytest.mark.parametrize("objective", [0, 1, 1.5, -1])
def test_an_objective_leaves_room_for_failure(objective: float) -> None:
    with pytest.raises(ValueError, match=r"expected a share between 0 and 1"):
        error_budget(CALM, objective)


@given(st.integers(1, 10_000), st.data(), st.floats(0.5, 0.9999))
def test_more_failures_use_more(calls: int, data: st.DataObject, objective: float) -> None:
    failed = data.draw(st.integers(0, calls - 1))
    fewer, more = (
        error_budget(dict.fromkeys(WINDOWS, Counted(calls, number)), objective) for number in (failed, failed + 1)
    )
    assert fewer.used is not None and more.used is not None and fewer.used < more.used
    assert all(
        (one.long or 0) < (other.long or 0) and one.burning <= other.burning
        for one, other in zip(fewer.burns, more.burns, strict=True)
    )
