"""What somebody should know: of very many of one kind, most are told of together."""

from __future__ import annotations

from tollkeeper.model.finding import Finding, severity_at
from tollkeeper.sidecar.findings import MOST_ALERTS, OTHERS, bounded


def finding(user: int, level: int = 80) -> Finding:
    facts = {"percent": float(level), "used": level}
    return Finding("limit", "day", {"user": f"u-{user}"}, severity_at(level), level, 1, 2, facts)


def test_a_few_are_told_of_each_by_itself() -> None:
    few = [finding(number) for number in range(MOST_ALERTS)]
    assert list(bounded(few, ())) == few


def test_of_very_many_those_that_are_known_and_the_worst_are_and_the_others_together() -> None:
    known = finding(1)
    many = [finding(number) for number in range(MOST_ALERTS + 40)] + [finding(1000, 100)]
    found = list(bounded(many, {known.identity}))
    assert len(found) == MOST_ALERTS + 1
    assert known in found
    assert finding(1000, 100) in found
    (others,) = (one for one in found if one.scope == {"user": OTHERS})
    assert (others.facts["others"], others.level) == (41, 80)


def test_those_that_were_told_of_stay_whoever_else_comes() -> None:
    """Nobody is told that it is over because others are fuller now."""
    first = [finding(number, 50) for number in range(MOST_ALERTS)]
    later = [*first, *(finding(number, 95) for number in range(500, 900))]
    found = list(bounded(later, {one.identity for one in first}))
    assert {one.identity for one in first} <= {one.identity for one in found}
    (others,) = (one for one in found if one.scope == {"user": OTHERS})
    assert (others.level, others.severity) == (95, "critical"), "and the others are not silent"


def test_models_without_a_price() -> None:
    many = [
        Finding("unpriced_model", f"ft:{number}", {"provider": "openai"}, "warning", facts={"calls": 1})
        for number in range(MOST_ALERTS + 5)
    ]
    *_, others = bounded(many, ())
    assert (others.subject, others.facts["others"]) == (OTHERS, 5)


def test_what_is_only_followed_is_not_among_the_others() -> None:
    followed = [finding(number, 0) for number in range(MOST_ALERTS + 10)]
    found = list(bounded([*followed, finding(1000)], {one.identity for one in followed}))
    assert len(found) == len(followed) + 1
    assert all(one.scope != {"user": OTHERS} for one in found)
