"""Who has used the most: asked of the ledger for one scope only, and not again for each channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tollkeeper.model.limit import Limit
from tollkeeper.policy.document import read_toml
from tollkeeper.sidecar.contributors import BLAMED, KEPT_NANOSECONDS, Contributors
from tollkeeper.storage.ledger import Totals, UsageQuery, UsageRow

POLICY = '[[limit]]\nname = "daily"\nlimit = "$10 / day per tenant and service"\n'
ACME = {"tenant": "acme", "service": "web"}


@dataclass
class Asked:
    """A ledger of one row, which is as the question has it."""

    queries: list[UsageQuery] = field(default_factory=list)

    def usage(self, query: UsageQuery) -> list[UsageRow]:
        self.queries.append(query)
        group = tuple({**ACME, "feature": "chat"}.get(name, "x") for name in query.group_by)
        return [UsageRow(None, group, Totals(calls=3, nano_usd=7))]


def limit() -> Limit:
    (found,) = read_toml(POLICY, "policy").limits
    return found


def test_the_ledger_is_asked_for_one_scope_and_again_after_a_while() -> None:
    ledger, now = Asked(), [10**18]
    contributors = Contributors(ledger, lambda: now[0])  # type: ignore[arg-type]

    def found(scope: Any = ACME, used: int = 7) -> Any:
        return contributors.of(limit(), scope, 0, 2 * 10**18, used)

    first = found()
    assert first[0] == {"dimension": "feature", "value": "chat", "amount": 7, "share": 1.0}
    assert [query.filters for query in ledger.queries] == [{"tenant": ("acme",), "service": ("web",)}] * 3
    assert len(ledger.queries) == len(BLAMED) - 1, "a service of one service is no news"
    assert found() == first
    assert len(ledger.queries) == 3
    assert found({"tenant": "globex", "service": "web"}) == []
    now[0] += KEPT_NANOSECONDS
    found()
    assert len(ledger.queries) == 9
    found(used=8)
    assert len(ledger.queries) == 12
