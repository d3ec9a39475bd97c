"""What each rule makes of series that are just beyond its threshold, and of such that are just short of it."""

from __future__ import annotations

from grafana.rules import budget_cases, cost_cases, pipeline_cases, reliability_cases, usage_cases

CASES = (
    *budget_cases.CASES,
    *cost_cases.CASES,
    *usage_cases.CASES,
    *reliability_cases.CASES,
    *pipeline_cases.CASES,
)
