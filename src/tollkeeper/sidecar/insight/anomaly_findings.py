"""Anomalies as findings: what people are told of them, by the same ways as of limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tollkeeper.insight.anomaly.wording import contributor_text, lines_of, range_text, subject_of, title_of, value_text
from tollkeeper.model.finding import Finding
from tollkeeper.storage.insight.anomalies import AnomalyStore, Kept


def findings_of(store: AnomalyStore) -> Callable[[int], Iterator[Finding]]:
    """What holds of what is kept, but for what somebody has labelled false, and what is only worth knowing."""

    def found(_: int) -> Iterator[Finding]:
        yield from (finding_of(kept) for kept in store.open() if is_told(kept))

    return found


def is_told(kept: Kept) -> bool:
    """Whether people are told of it, and do not only find it where they look."""
    return (
        kept.label != "false"
        and "part_of" not in kept.facts
        and (kept.anomaly.severity != "info" or kept.anomaly.kind == "rule")
    )


def finding_of(kept: Kept) -> Finding:
    """What there is to tell of an anomaly. Its beginning is a part of what it is: one that comes again is news."""
    anomaly = kept.anomaly
    # Of one session the cause says as much.
    is_session = anomaly.kind == "runaway" and "session" in anomaly.scope
    facts: dict[str, Any] = {
        **kept.facts,
        "anomaly_id": kept.id,
        "anomaly_kind": anomaly.kind,
        "metric": anomaly.metric,
        "step": anomaly.step,
        "actual": anomaly.actual,
        "expected": anomaly.expected,
        "low": anomaly.low,
        "high": anomaly.high,
        "actual_text": value_text(anomaly.metric, anomaly.actual),
        "expected_text": range_text(anomaly),
        "score": anomaly.score,
        "excess_nano_usd": anomaly.excess_nano_usd,
        "rule": anomaly.rule,
        "title": title_of(anomaly),
        "lines": lines_of(anomaly, kept.facts),
        "top": [] if is_session else [contributor_text(each) for each in anomaly.contributors],
        "response": kept.response if kept.response_ended_at is None else None,
    }
    return Finding("anomaly", subject_of(anomaly), anomaly.scope, anomaly.severity, 0, kept.anomaly.start, 0, facts)
