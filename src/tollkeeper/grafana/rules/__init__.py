"""Recording rules and alerts for Prometheus 2.42 and newer, one module for each category, one file for each module.

A rule named `level:metric:operation` keeps the labels of its level. Every sidecar shows the same ledger and counters,
so they are never summed over instances. Money is the ledger's, as a difference of its totals: `increase()` over a
counter does not see the first value of a new series, and takes a correction for a restart.
"""

from __future__ import annotations

from tollkeeper.grafana.rules import budget, cost, pipeline, reliability, usage
from tollkeeper.grafana.rules.rule import Alert, Category, Group, Record

CATEGORIES = (budget.CATEGORY, cost.CATEGORY, usage.CATEGORY, reliability.CATEGORY, pipeline.CATEGORY)

__all__ = ["CATEGORIES", "Alert", "Category", "Group", "Record"]
