"""A digest says what was spent, compared with the period before, what filled, and what was told."""

from __future__ import annotations

from sidecar.notify.given import notification
from tollkeeper.sidecar.notify.contract import Message
from tollkeeper.sidecar.notify.digest import Figures, Spent, Standing, digest_of

DAY = 86_400 * 10**9
START = 20_717 * DAY  # 2026-09-21
USD = 10**9

QUIET = Figures("daily", START, START + DAY, cost=0, cost_before=None, calls=0)


def test_it_says_all_that_happened() -> None:
    models = [Spent(f"model {number}", number * USD, USD) for number in range(1, 8)]
    over = notification("resolved").alert
    figures = Figures(
        "weekly",
        START,
        START + 7 * DAY,
        cost=28 * USD,
        cost_before=25 * USD,
        calls=1234,
        unpriced=5,
        spent={"provider": [Spent("openai", 28 * USD, 35 * USD)], "model": models, "tenant": [Spent("", USD, 0)]},
        standings=[
            Standing("tokens", {}, "tokens", 90_000, 100_000, 90.0),
            Standing("daily", {"tenant": "acme"}, "usd", 9_600_000_000, 10 * USD, 96.0),
        ],
        alerts=[over, over._replace(ended_at=None)],
        link="https://tollkeeper.example",
    )
    assert digest_of(figures) == Message(
        "Weekly digest, 2026-09-21 to 2026-09-27: $28.00 (+12 %)",
        """\
Spent $28.00 (+12 %) on 1,234 calls.
Not in it: 5 of them, that have no price.

By provider:
- openai: $28.00 (-20 %)

By model:
- model 7: $7.00 (+600 %)
- model 6: $6.00 (+500 %)
- model 5: $5.00 (+400 %)
- model 4: $4.00 (+300 %)
- model 3: $3.00 (+200 %)
- 2 more: $3.00 (+50 %)

By tenant:
- (none): $1.00 (new)

Limits, the fullest first:
- daily for tenant acme: 96 %, $9.60 of $10.00
- tokens: 90 %, 90,000 tokens of 100,000 tokens

Alerts:
- 2026-09-21 14:12 UTC: Warning: example at 85 % for tenant acme; over at 2026-09-21 14:13 UTC
- 2026-09-21 14:12 UTC: Warning: example at 85 % for tenant acme; still firing

https://tollkeeper.example""",
        "info",
        "https://tollkeeper.example",
    )


def test_of_nothing_it_says_so() -> None:
    assert digest_of(QUIET) == Message(
        "Daily digest, 2026-09-21: $0.00", "Spent $0.00 on 0 calls.\n\nNo alerts.", "info", None
    )
    assert digest_of(QUIET._replace(cost=USD, cost_before=0, calls=1)).body.startswith("Spent $1.00 (new) on 1 call.")
    assert digest_of(QUIET._replace(cost_before=USD)).title.endswith(": $0.00 (-100 %)")


def test_it_has_an_end_and_names_do_nothing() -> None:
    alerts = [notification(subject=f"limit\r\n{number}").alert for number in range(30)]
    said = digest_of(QUIET._replace(alerts=alerts, spent={"tenant": [Spent("<!here> @everyone\nx", USD)]}))
    assert said.body.endswith("- 10 more")
    assert "limit 7 at 85 %" in said.body
    assert "@everyone" not in said.body
    assert "<!here>" not in said.body
