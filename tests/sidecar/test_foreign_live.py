"""The real instrumentations, run now, in environments of their own, through the real receiver into a ledger.

`make` sets the environments up. Without them these tests are skipped, but not in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from sidecar.foreign import stage
from sidecar.foreign.agreement import disagreements
from tollkeeper.sidecar.foreign import Foreign
from tollkeeper.storage.database import Database
from tollkeeper.storage.ledger.sql import SqlLedger

EMITTERS = (
    "official", "anthropic_sdk", "openllmetry", "openinference", "logfire", "pydantic_ai", "official_v2", "openlit",
)  # fmt: skip
"""The other files in `emitted/` are of the same libraries, used in another way, or of one that is too large."""
AT_ONCE = 2


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Future[stage.Staged]]]:
    """All of them, two at a time: most of the time they start up, or wait."""
    missing = {stage.HOMES[emitter] for emitter in EMITTERS if not stage.python_of(emitter).exists()}
    if missing:
        message = f"{', '.join(sorted(missing))} not in {stage.ENVIRONMENTS}: make foreign"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {emitter: pool.submit(stage.run, emitter) for emitter in EMITTERS}


@pytest.mark.parametrize("emitter", EMITTERS)
def test_the_ledger_has_what_was_served(emitter: str, runs: dict[str, Future[stage.Staged]], tmp_path: Path) -> None:
    staged = runs[emitter].result()
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    database.migrate()
    ledger = SqlLedger(database)
    foreign = Foreign(ledger, lambda: 0.0)
    for batch in staged.batches:
        ledger.record(*foreign.settle(batch))
    calls = [kept.call for kept in ledger.select_calls(0, 2**63 - 1)]
    ledger.close()
    database.close()
    assert disagreements(emitter, staged, calls) == []
