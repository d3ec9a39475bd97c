"""Where the money goes."""

from __future__ import annotations

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.measures import calls, period_cost, ratio, spend_rate, spent, tokens, top, unpriced
from tollkeeper.grafana.panels import Column, Panel, Query, Style, bars, chart, figure, rows
from tollkeeper.grafana.series import MODEL_NAME, none_while, once
from tollkeeper.telemetry import sidecar_metrics as sidecar

MILLION = "1e6"
MODEL = ("provider", "model")


def spending(what: str) -> Panel:
    by = MODEL_NAME if what == "model" else what
    return chart(
        f"Spending an hour, by {what}", f"Dollars an hour, by {what}; the ten dearest.",
        [Query(top(spend_rate((by,))), "{{" + by + "}}")], "currencyUSD", stacked=True, decimals=2, width=8,
    )  # fmt: skip


TOTALS = Section(
    "During the chosen time range",
    (
        figure(
            "Spent", "What the calls have cost: the difference of the ledger's totals, not an estimate from rates.",
            spent(), "currencyUSD", decimals=4, over_time=False, width=4,
        ),
        figure(
            "Spent today", "The calendar day of UTC, as the ledger has it. Needs the sidecar.",
            period_cost("day"), "currencyUSD", decimals=2, nothing="needs the sidecar", width=4,
        ),
        figure(
            "Cost of a call", "On average, failed calls included.", ratio(spent(), calls()),
            "currencyUSD", decimals=5, over_time=False, width=4,
        ),
        figure(
            "Cost of a million tokens", "On average, input and output together.",
            f"{ratio(spent(), tokens())} * {MILLION}", "currencyUSD", decimals=3, over_time=False, width=4,
        ),
        figure("Calls", "Finished calls, failed ones included.", calls(), "short", over_time=False, width=4),
        figure(
            "Calls without a price",
            "Their model is on no price list: what they cost is unknown, and in no sum here. "
            "Set its price, and price them again.",
            none_while(unpriced(), calls()), "short", decimals=0, steps=((1, "orange"),), over_time=False, width=4,
        ),
    ),
)  # fmt: skip

SHAPE = Section(
    "Who spends, and on what", tuple(map(spending, ("provider", "model", "tenant", "service", "feature", "operation")))
)

COMPARED = Section(
    "Compared",
    (
        chart(
            "Now, a day and a week before", "Dollars an hour, and the same hour of the day and the week before.",
            [
                Query(spend_rate(), "now"),
                Query(spend_rate(ago="1d"), "a day before"),
                Query(spend_rate(ago="1w"), "a week before"),
            ],
            "currencyUSD", decimals=2, width=16,
            styles=(
                Style("a day before", dashed=True, color="blue"),
                Style("a week before", dashed=True, color="purple"),
            ),
        ),
        bars(
            "Dearest tenants", "What each has cost during the chosen time range.",
            [Query(f"sort_desc({top(spent(('tenant',)))})", "{{tenant}}")], "currencyUSD", decimals=2,
        ),
        rows(
            "Models", "What each model has cost during the chosen time range, and what for.",
            [("provider", "Provider"), ("model", "Model")],
            [
                Column("Cost", spent(MODEL), "currencyUSD", 4),
                Column("Calls", calls(MODEL), "short"),
                Column("Tokens", tokens(MODEL), "short"),
                Column("Cost of a call", ratio(spent(MODEL), calls(MODEL)), "currencyUSD", 5),
                Column("Cost of 1M tokens", f"{ratio(spent(MODEL), tokens(MODEL))} * {MILLION}", "currencyUSD", 3),
                Column("Without a price", unpriced(MODEL), "short", 0, steps=((1, "orange"),)),
            ],
            width=24, height=9,
        ),
        chart(
            "Billed beyond the ledger",
            "By how many dollars a provider's bill of the last seven settled days is higher than the ledger.",
            [Query(f"max by (provider) ({once(sidecar.RECONCILIATION_DIFFERENCE)})", "{{provider}}")], "currencyUSD",
            decimals=2, nothing="no invoices", width=24,
        ),
    ),
)  # fmt: skip

BOARD = Board("cost", "Cost", "What calls cost: by whom, by what, and compared with before.", (TOTALS, SHAPE, COMPARED))
