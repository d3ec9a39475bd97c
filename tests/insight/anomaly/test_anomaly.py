"""An anomaly is said in JSON, and read from it."""

from __future__ import annotations

import json

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
