"""What the worker processes that share a port know of themselves, put together.

Each worker leaves its figures in a folder that they share; whichever is asked adds them up. Those of a worker that has
died stay, so that no counter falls; what only it could change, such as what waits in it, is gone with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tollkeeper.sidecar.metrics import Sample
from tollkeeper.sidecar.receive.counts import Loss
from tollkeeper.sidecar.samples import sample

Series = tuple[str, tuple[tuple[str, str], ...]]


class Figures(NamedTuple):
    """What one process knows, or all of them together. `lost` is by spool; `lost_before` by others."""

    samples: list[Sample]
    lost: Mapping[str, Loss]
    lost_before: int = 0

    def shown(self) -> list[Sample]:
        """For `/metrics`. Spools have no label: there is no end to them."""
        lost = self.lost_before + sum(loss.dropped for loss in self.lost.values())
        return [*self.samples, sample("lost_records_total", lost)]


class Board:
    """The folder in which workers leave their figures. Without a folder there is one process only."""

    def __init__(self, folder: str | None) -> None:
        self._own = Path(folder, f"{os.getpid()}.json") if folder else None

    def leave(self, figures: Figures) -> None:
        """Put this process's figures up."""
        if self._own is not None:
            fresh = self._own.with_suffix(".new")
            fresh.write_text(json.dumps(figures), encoding="utf-8")
            fresh.replace(self._own)

    def together(self, own: Figures) -> Figures:
        """This process's figures with those of all others."""
        everybody = [own, *self._others()]
        return Figures(
            _sum(figures.samples for figures in everybody),
            _most(figures.lost for figures in everybody),
            sum(figures.lost_before for figures in everybody),
        )

    def _others(self) -> list[Figures]:
        if self._own is None:
            return []
        return [_read(path) for path in sorted(self._own.parent.glob("*.json")) if path != self._own]


def _sum(each: Iterable[list[Sample]]) -> list[Sample]:
    total: dict[Series, Sample] = {}
    for samples in each:
        for one in samples:
            key = (one.name, one.labels)
            known = total.get(key)
            total[key] = one if known is None else known._replace(value=known.value + one.value)
    return list(total.values())


def _most(each: Iterable[Mapping[str, Loss]]) -> dict[str, Loss]:
    """A spool tells all that it ever lost to whichever process takes its request, so the most is the newest."""
    found: dict[str, Loss] = {}
    for lost in each:
        for spool, loss in lost.items():
            found[spool] = loss if spool not in found else found[spool].or_more(loss)
    return found


def _read(path: Path) -> Figures:
    samples, lost, lost_before = json.loads(path.read_text(encoding="utf-8"))
    told = [
        Sample(name, kind, meaning, tuple((label, text) for label, text in labels), value)
        for name, kind, meaning, labels, value in samples
        if kind == "counter" or _lives(int(path.stem))
    ]
    return Figures(told, {spool: Loss(*loss) for spool, loss in lost.items()}, lost_before)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
