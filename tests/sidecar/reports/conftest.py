"""A world with calls of three months: priced, failed, without a price, corrected, and of tenants with any name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sidecar.api.world import World, failed, make_call, unpriced
from tollkeeper.model import LineItem
from tollkeeper.storage.ledger import Adjustment

NAMES = (
    "Zürich Ærø", "Ωμέγα", "Привет", "漢字かな", "한국어", "שלום עולם", "مرحبا", "🚀 Rocket", '=cmd|"/c calc"!A1',
    "@SUM(1+1)", "<script>alert(1)</script>", "a" * 190,
)  # fmt: skip
"""Of tenants: in every script that is promised, and what one would rather not be called."""
PRICE = Decimal("0.333e-9")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("reports")
    made = World(f"sqlite:///{folder / 'ledger.db'}", open_on_loopback=True)
    fill(made)
    yield made
    made.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("nothing")
    made = World(f"sqlite:///{folder / 'ledger.db'}")
    yield made
    made.close()


def fill(world: World) -> None:
    """Amounts that no cent holds, on both sides of midnight and of the ends of months."""
    calls = [
        make_call(number, at=datetime(2026, 3, 1 + number % 31, 23, 59, 59, tzinfo=UTC), tags={"tenant": name})
        for number, name in enumerate(NAMES, 1)
    ]
    odd = (LineItem("input", 1, PRICE, PRICE), LineItem("output", 2, PRICE, 2 * PRICE))
    for number in range(20, 40):
        cost = make_call(0).cost
        assert cost is not None
        at = datetime(2026, 2 + number % 2, 28 if number % 2 == 0 else 1, number % 24, 30, tzinfo=UTC)
        tags = {"tenant": "acme", "project": f"p{number % 3}", "feature": "chat", "team": "core"}
        calls.append(
            make_call(
                number, at=at, tags=tags, provider="anthropic", response_model="claude-haiku-4-5",
                cost=cost._replace(usd=3 * PRICE, items=odd),
            )
        )  # fmt: skip
    day = datetime(2026, 3, 10, 12, tzinfo=UTC)
    calls += [unpriced(50, at=day), unpriced(51, at=day, tags={"tenant": "acme"}), failed(52, at=day)]
    named = make_call(53, at=day, provider="openrouter", tags={})
    assert named.cost is not None
    named.cost = named.cost._replace(usd=Decimal("0.1234567891"), source="provider", items=())
    world.record(*calls, named)
    id = make_call(1).id
    world.ledger.adjust("dearer", [Adjustment(id, 1, 9_999_999)], author="tests", reason="the list was wrong")
    world.ledger.adjust("late", [Adjustment(make_call(51).id, 1, 77)], author="tests", reason="priced late")
    world.ledger.adjust("gone", [Adjustment(make_call(20).id, 1, None)], author="tests", reason="never had one")
