"""Gauges of what is advised, and of what has come of advice that was taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tollkeeper.sidecar.metrics import NANO, Sample
from tollkeeper.sidecar.samples import Family
from tollkeeper.storage.insight.evaluations import Evaluation
from tollkeeper.telemetry import sidecar_metrics as names

STALE: Final = 3 * 86_400 * NANO
"""An older look is not shown any more: nobody looks."""

ADVICE_GAUGES: Mapping[str, Family] = {
    names.RECOMMENDATIONS: Family("Recommendations that nobody has decided of.", ("kind",)),
    names.RECOMMENDED_SAVING: Family(
        "What they would save in a month, in US dollars: the best of those for the same calls.", ("estimate",)
    ),
    names.SAVED: Family("What recommendations have saved since they were accepted, in US dollars, where that is sure."),
}
"""By name: what they mean, and their labels."""


def advice_samples(kept: Evaluation | None, now: int) -> Iterator[Sample]:
    """Of the last look; nothing, where there was none."""
    if kept is None or now - kept.at > STALE:
        return
    for kind, number in kept.body["open"].items():
        yield _sample(names.RECOMMENDATIONS, number, kind)
    for estimate, nano_usd in kept.body["saving_nano_usd"].items():
        yield _sample(names.RECOMMENDED_SAVING, nano_usd / NANO, estimate)
    yield _sample(names.SAVED, kept.body["saved_nano_usd"] / NANO)


def _sample(name: str, value: float, *labels: str) -> Sample:
    family = ADVICE_GAUGES[name]
    return Sample(name, "gauge", family.meaning, tuple(zip(family.labels, labels, strict=True)), value)
