"""Gauges of how the ledger compares with what providers bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from tollkeeper.sidecar.insight.drift_findings import LOOKED_AT, lately
from tollkeeper.sidecar.metrics import NANO, Sample
from tollkeeper.sidecar.samples import Family
from tollkeeper.storage.insight.evaluations import Evaluation
from tollkeeper.telemetry import sidecar_metrics as names

STALE: Final = 3 * 86_400 * NANO
"""An older comparison is not shown any more: nobody makes new ones."""

_WHICH: Final = f"of the last {LOOKED_AT} settled days"

RECONCILIATION_GAUGES: Mapping[str, Family] = {
    names.RECONCILIATION_CAPTURE: Family(
        "What the ledger has of what a provider has billed, as a part of one; by tokens, else by requests.",
        ("provider", "measure"),
    ),
    names.RECONCILIATION_DIFFERENCE: Family(
        f"By how much a provider's bill is higher than the ledger, in US dollars, {_WHICH}.", ("provider",)
    ),
    names.RECONCILIATION_BILLED: Family(f"What a provider has billed, in US dollars, {_WHICH}.", ("provider",)),
    names.RECONCILIATION_DRIFTING: Family(
        f"Days, {_WHICH}, on which bill and ledger differ by more than the tolerance.", ("provider",)
    ),
    names.RECONCILIATION_SETTLED: Family("When the newest day has ended that was compared and settled.", ("provider",)),
    names.RECONCILIATION_FAILED: Family(
        "1 where an account could not be asked for its figures, the last time; else 0.", ("account", "provider")
    ),
    names.RECONCILIATION_MADE: Family("When the ledger was compared with what providers bill."),
}
"""By name: what they mean, and their labels."""


def reconciliation_samples(kept: Evaluation | None, now: int) -> Iterator[Sample]:
    """Of the last comparison; nothing, where there was none, or nothing to compare with."""
    if kept is None or now - kept.at > STALE or not (kept.body["providers"] or kept.body["accounts"]):
        return
    yield _sample(names.RECONCILIATION_MADE, kept.at / NANO)
    for account in kept.body["accounts"]:
        yield _sample(
            names.RECONCILIATION_FAILED, account["error"] is not None, account["name"], account["provider"]
        )  # fmt: skip
    for provider in kept.body["providers"]:
        yield from _of_provider(provider)


def _of_provider(provider: Mapping[str, Any]) -> Iterator[Sample]:
    name = provider["provider"]
    capture = provider["capture"]
    if capture is not None and capture["ratio"] is not None:
        yield _sample(names.RECONCILIATION_CAPTURE, capture["ratio"], name, capture["measure"])
    if not (days := lately(provider)):
        return
    yield _sample(names.RECONCILIATION_DIFFERENCE, sum(one["difference_nano_usd"] for one in days) / NANO, name)
    yield _sample(names.RECONCILIATION_BILLED, sum(one["billed_nano_usd"] for one in days) / NANO, name)
    yield _sample(names.RECONCILIATION_DRIFTING, sum(one["drifts"] for one in days), name)
    ended = date.fromisoformat(days[-1]["day"]) - date(1970, 1, 1) + timedelta(days=1)
    yield _sample(names.RECONCILIATION_SETTLED, ended.total_seconds(), name)


def _sample(name: str, value: float, *labels: str) -> Sample:
    family = RECONCILIATION_GAUGES[name]
    return Sample(name, "gauge", family.meaning, tuple(zip(family.labels, labels, strict=True)), value)
