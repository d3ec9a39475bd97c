"""What would have been of a real ledger, by the API, the client and the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from cli.telling import Tell
from sidecar.api.world import NOW, World, failed, make_call, unpriced
from tollkeeper.client import Client, Invalid


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('what-if') / 'ledger.db'}")
    old = NOW - timedelta(days=3)
    made.record(
        make_call(1, at=old, tags={"feature": "search", "tenant": "acme"}),
        make_call(2, at=old, tags={"feature": "chat", "tenant": "globex"}),
        unpriced(3, at=old), failed(4, at=old),
    )  # fmt: skip
    yield made
    made.close()


def test_the_client_gets_what_the_ledger_has(world: World, url: str) -> None:
    with Client(url, world.key("read")) as client:
        found = client.what_if(models={"gpt-4o": "gpt-4o-mini"})
        total = found.total
        # 1,000 in and 100 out: $0.0035 as recorded; at $0.15 and $0.60 a million $0.00021.
        assert (total.old_cost_nano_usd, total.new_cost_nano_usd) == (7_000_000, 420_000)
        assert (total.calls, total.changed_calls, total.unknown_calls) == (4, 4, 1)
        assert {(one.value, one.delta) for one in found.by_tenant} == {
            ("acme", Decimal("-0.00329")), ("globex", Decimal("-0.00329")),
        }  # fmt: skip
        only = client.what_if(models={"gpt-4o": "gpt-4o-mini"}, feature="search", days=7)
        assert only.total.old_cost_nano_usd == 3_500_000
        same = client.what_if(models={"*": "gpt-4o"}).total
        assert same.delta_nano_usd == 0
        with pytest.raises(Invalid, match="expected at least one"):
            client.what_if()


def test_the_command_line(tell: Tell) -> None:
    said = tell("what-if", "--model", "gpt-4o=gpt-4o-mini", "--since", "40d", "--tenant", "acme")
    (row,) = [row for row in said.rows if row[0].startswith("openai gpt-4o →")]
    assert row == ["openai gpt-4o → openai gpt-4o-mini", "2", "2", "$0.003500", "$0.000210", "-$0.003290", "-94.0%"]
    batch = tell("what-if", "--tier", "batch", "--cache-hit", "0.5")
    assert "cost is not known" in batch.out and not batch.err
    assert "No calls." in tell("what-if", "--tier", "batch", "--tenant", "nobody").out
    assert "is no share" in tell("what-if", "--cache-hit", "half").err
    assert "No call would have been different." in tell("what-if", "--model", "nothing=gpt-4o").out
