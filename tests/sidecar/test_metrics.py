"""`/metrics`: the ledger's totals, bounded and never falling, and the figures of all workers together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from capture.processes import total
from tollkeeper.sidecar.board import Board, Figures
from tollkeeper.sidecar.metrics import FRESH_SECONDS, LedgerTotals, MetricsPage, Sample
from tollkeeper.sidecar.pipeline import PipelineCounts
from tollkeeper.sidecar.receive.counts import Loss, ReceiveCounts
from tollkeeper.sidecar.samples import samples_of
from tollkeeper.storage.ledger import LedgerUnavailable, Totals, UsageQuery, UsageRow


class Told:
    """A ledger that knows totals by model."""

    def __init__(self, **by_model: Totals) -> None:
        self.by_model = by_model
        self.asked = 0
        self.noted: list[tuple[str, ...]] = []
        self.takes_notes = True

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        self.asked += 1
        at = query.group_by.index("model")
        return [
            UsageRow(None, tuple(model if place == at else "x" for place in range(len(query.group_by))), sums)
            for model, sums in sorted(self.by_model.items())
        ]

    def label_sets(self, found: Sequence[tuple[str, ...]], most: int) -> set[tuple[str, ...]]:
        if not self.takes_notes and not set(found) <= set(self.noted):
            raise LedgerUnavailable("the disk is full")
        self.noted += [one for one in found if one not in self.noted][: most - len(self.noted)]
        return set(self.noted[:most])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cost(nano_usd: int) -> Totals:
    return Totals(calls=1, nano_usd=nano_usd, costed=1)


def page(ledger: Any, most: int, clock: Clock, samples: Sequence[Sample] = ()) -> MetricsPage:
    return MetricsPage(LedgerTotals(ledger, most, clock), lambda: samples)


def test_totals_of_the_ledger() -> None:
    sums = Totals(calls=5, failed=2, unpriced=1, unmeasured=1, input_tokens=70, nano_usd=1_500_000_000, costed=1)
    ledger = Told(small=sums)
    text = page(ledger, 10, Clock()).render().decode()
    assert list(text_string_to_metric_families(text))
    assert total(text, "tollkeeper_ledger_cost_usd_total", model="small") == 1.5
    assert total(text, "tollkeeper_ledger_calls_total", outcome="failed") == 2
    assert total(text, "tollkeeper_ledger_calls_total") == 5
    assert total(text, "tollkeeper_ledger_tokens_total", type="input") == 70
    assert total(text, "tollkeeper_ledger_unpriced_calls_total") == 1
    assert total(text, "tollkeeper_ledger_unmeasured_calls_total") == 1


def test_read_again_only_when_they_are_old() -> None:
    ledger, clock = Told(a=Totals(calls=1)), Clock()
    shown = page(ledger, 10, clock)
    shown.render()
    once = ledger.asked
    clock.now += FRESH_SECONDS / 2
    shown.render()
    assert ledger.asked == once
    clock.now += FRESH_SECONDS
    shown.render()
    assert ledger.asked == 2 * once


def test_what_comes_after_the_last_label_set_is_other() -> None:
    """The first have series of their own, of those the dearest; they keep them, and the sum is whole, whatever comes
    later: in every sidecar, and after a restart too."""
    ledger, clock = Told(a=cost(1), b=cost(3), c=cost(2)), Clock()
    shown = page(ledger, 2, clock)
    series = "tollkeeper_ledger_cost_usd_total"
    first = shown.render().decode()
    assert total(first, series, model="other") == 1e-9
    ledger.by_model["d"] = cost(10)
    clock.now += FRESH_SECONDS
    second = shown.render().decode()
    assert total(second, series, model="other") == 11e-9
    for model in ("b", "c"):
        assert total(second, series, model=model) == total(first, series, model=model) > 0
    assert round(total(second, series) * 1e9) == 16
    assert page(ledger, 2, Clock()).render().decode() == second


def test_a_label_set_that_cannot_be_noted_waits() -> None:
    """Else it would be taken out of `other` later, which would fall."""
    ledger, clock = Told(a=cost(1)), Clock()
    shown = page(ledger, 10, clock)
    before = shown.render()
    ledger.by_model["b"], ledger.takes_notes = cost(5), False
    clock.now += FRESH_SECONDS
    assert shown.render() == before
    with pytest.raises(LedgerUnavailable):
        page(ledger, 10, clock).render()
    ledger.takes_notes = True
    clock.now += FRESH_SECONDS
    assert total(shown.render().decode(), "tollkeeper_ledger_cost_usd_total", model="b") == 5e-9


def test_a_cost_that_nobody_knows_is_no_sample() -> None:
    ledger = Told(
        lost=Totals(calls=3, unpriced=1, unmeasured=1, failed=1),
        half=Totals(calls=2, unpriced=1, nano_usd=5, costed=1),
        free=Totals(calls=1, costed=1),
        failed=Totals(calls=1, failed=1),
    )
    text = page(ledger, 10, Clock()).render().decode()
    (family,) = (one for one in text_string_to_metric_families(text) if one.name == "tollkeeper_ledger_cost_usd")
    assert {sample.labels["model"]: sample.value for sample in family.samples} == {"half": 5e-9, "free": 0, "failed": 0}
    assert total(text, "tollkeeper_ledger_calls_total", model="lost") == 3


def test_bytes_as_they_came_and_inflated() -> None:
    received = ReceiveCounts(received_bytes=Counter(http=3, grpc=2), inflated_bytes=Counter(http=9, grpc=2))
    idle: Any = SimpleNamespace(counts=PipelineCounts(), waiting=0)
    text = page(Told(), 1, Clock(), samples_of(idle, received, None)).render().decode()
    for name, number in (("received", 3), ("inflated", 9)):
        assert total(text, f"tollkeeper_sidecar_{name}_bytes_total", transport="http") == number
        assert total(text, f"tollkeeper_sidecar_{name}_bytes_total", transport="grpc") == 2


def counted(value: float, **labels: str) -> Sample:
    return Sample("tollkeeper_sidecar_writes_total", "counter", "Writes.", tuple(labels.items()), value)


def left_by(pid: int, folder: Path, *samples: Sample, **lost: Loss) -> None:
    """What another worker has put up."""
    Board(str(folder)).leave(Figures(list(samples), lost))
    (folder / f"{os.getpid()}.json").rename(folder / f"{pid}.json")


def test_the_figures_of_all_workers(tmp_path: Path) -> None:
    """Each worker shows the sum, its own figures as they are now."""
    left_by(os.getppid(), tmp_path, counted(1, outcome="committed"))
    own = Figures([counted(2, outcome="committed"), counted(5, outcome="failed")], {})
    text = page(Told(), 1, Clock(), Board(str(tmp_path)).together(own).shown()).render().decode()
    assert total(text, "tollkeeper_sidecar_writes_total", outcome="committed") == 3
    assert total(text, "tollkeeper_sidecar_writes_total", outcome="failed") == 5
    assert Board(None).together(own) == own


def test_what_a_dead_worker_has_counted_stays(tmp_path: Path) -> None:
    """No counter falls; but nothing waits in a process that is gone."""
    waiting = Sample("tollkeeper_sidecar_waiting_records", "gauge", "Waiting.", (), 7)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left_by(dead.pid, tmp_path, counted(1), waiting)
    left_by(os.getppid(), tmp_path, counted(1), waiting)
    together = Board(str(tmp_path)).together(Figures([counted(1), waiting], {}))
    assert {each.name: each.value for each in together.samples} == {
        "tollkeeper_sidecar_writes_total": 3, "tollkeeper_sidecar_waiting_records": 14,
    }  # fmt: skip


def test_what_a_spool_has_lost_is_counted_once(tmp_path: Path) -> None:
    """It tells its total to whichever worker takes its request."""
    left_by(1, tmp_path, a=Loss(5, 100), b=Loss(2, 300))
    together = Board(str(tmp_path)).together(Figures([], {"a": Loss(7, 200), "c": Loss(1, 50)}))
    assert together.lost == {"a": Loss(7, 200), "b": Loss(2, 300), "c": Loss(1, 50)}
    text = page(Told(), 1, Clock(), together.shown()).render().decode()
    assert total(text, "tollkeeper_sidecar_lost_records_total") == 10
