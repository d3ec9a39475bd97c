"""An anomaly is said in JSON, and read from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollkeeper.insight.anomaly.anomaly import Anomaly, Contributor

PART = Contributor("model", "gpt-4o", 90_000, 30_000, 60_000, 0.75, 40_000, 15_000, 5_000)
FOUND = Anomaly(
    "spike", "spend", {"tenant": "acme"}, "day", 10, 20, 9e4, 3e4, 2e4, 4.5e4, 6.2, 60_000, "warning", None, (PART,)
)
RULE = Anomaly("rule", "error_rate", {}, None, 10, 20, 0.4, 0.1, None, 0.2, 3.0, None, "critical", "many errors")


@pytest.mark.parametrize("anomaly", [FOUND, RULE])
def test_it_comes_back_from_json(anomaly: Anomaly) -> None:
    assert Anomaly.read(json.loads(json.dumps(anomaly.document(), allow_nan=False))) == anomaly


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "odd", "severity": "mild"}, r"kind is 'odd'; expected one of spike.*severity is 'mild'"),
        ({"start": 1.5, "actual": float("nan")}, r"start is 1.5; expected a whole number; actual is nan"),
        ({"expected": None}, "expected is None; expected a number"),
        ({"excess_nano_usd": 0.5}, "excess_nano_usd is 0.5"),
        ({"scope": {"tenant": 3}}, "expected texts by their names"),
        ({"rule": 3}, "rule is 3"),
        ({"contributors": None}, "contributors is None; expected a list"),
        ({"contributors": [{**PART.document(), "share": "much", "value": 1}]}, "value is 1.*share is 'much'"),
    ],
)
def test_all_that_is_wrong_is_told_at_once(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Anomaly.read({**FOUND.document(), **wrong})


def test_what_is_missing_is_told() -> None:
    with pytest.raises(ValueError, match="kind is missing; metric is missing"):
        Anomaly.read({})
