"""Evaluators run when they are due, once for all sidecars; one that fails holds up no other, and runs again."""

from __future__ import annotations

from pathlib import Path

from tollkeeper.sidecar.insight.evaluators import Evaluator, Evaluators
from tollkeeper.storage.database import Database
from tollkeeper.storage.insight.evaluations import Evaluations

SECOND = 10**9


def test_each_runs_when_it_is_due(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    database.migrate()
    now = [1_762_200_000 * SECOND]
    ran: list[tuple[str, str]] = []

    def sidecar(name: str) -> Evaluators:
        evaluations = Evaluations(database, name, lambda: now[0])

        def fails(moment: int) -> None:
            ran.append((name, "broken"))
            raise ZeroDivisionError

        def works(moment: int) -> dict[str, int]:
            ran.append((name, "forecasts"))
            return {"of": moment}

        each = (Evaluator("broken", 3600, fails), Evaluator("forecasts", 60, works))
        return Evaluators(each, evaluations, lambda: now[0])

    one, other = sidecar("one"), sidecar("other")
    one.tick()
    other.tick()
    assert ran == [("one", "broken"), ("one", "forecasts")]
    latest = Evaluations(database, "reader").latest("forecasts")
    assert latest is not None and latest.body == {"of": now[0]}
    now[0] += 60 * SECOND
    other.tick()
    assert ran[2:] == [("other", "forecasts")]
    now[0] += 240 * SECOND
    one.tick()
    assert ran[3:] == [("one", "broken"), ("one", "forecasts")], "after a failure it need not wait for an hour"
    database.close()
