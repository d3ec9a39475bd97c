"""How fast and how well providers answer."""

from __future__ import annotations

from typing import Literal

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.measures import (
    APP_ANSWERED,
    calls,
    calls_rate,
    failed_share,
    failed_share_in_range,
    ratio,
    spent,
    top,
)
from tollkeeper.grafana.panels import FAILING, Column, Query, chart, figure, heat, rows
from tollkeeper.grafana.rules.reliability import THROTTLED
from tollkeeper.grafana.series import (
    DURATION,
    EACH_CHUNK,
    FIRST_CHUNK,
    MODEL_NAME,
    OUTPUT_SIZE,
    app_rate,
    histogram,
    label,
    quantile,
    quantile_in_range,
)
from tollkeeper.telemetry import metrics
from tollkeeper.telemetry.attributes import ERROR_TYPE

KNOWS_NO_TENANTS = " From the apps' histograms, which know neither services nor tenants."
ERROR = label(ERROR_TYPE)
TOO_MANY = f'{ERROR}=~"{THROTTLED}"'
PROVIDER, MODEL = ("provider",), ("provider", MODEL_NAME)
LEGEND = "{{" + MODEL_NAME + "}}"


def refused_share(by: tuple[str, ...] = ()) -> str:
    """Of all calls, those for which the provider had no room."""
    everything = app_rate(metrics.CALLS, by)
    return ratio(f"({app_rate(metrics.CALLS, by, TOO_MANY)} or {everything} * 0)", everything)


def speed(by: tuple[str, ...] = (), growth: Literal["rate", "increase"] = "rate") -> str:
    """Tokens of output for each second of waiting."""
    written = histogram(OUTPUT_SIZE, "sum", by, growth=growth)
    return ratio(written, histogram(DURATION, "sum", by, APP_ANSWERED, growth))


NOW = Section(
    "Now",
    (
        figure("Calls", "Finished calls a second, failed ones included.", calls_rate(), "reqps", decimals=2, width=4),
        figure(
            "Failed", "The share of the calls that failed.", failed_share(), "percentunit",
            decimals=1, steps=FAILING, width=4,
        ),
        figure(
            "Refused as too many", "The share of the calls that providers refused with status 429.",
            refused_share(), "percentunit", decimals=1, steps=FAILING, width=4,
        ),
        figure(
            "Latency, 95 %", "What 95 % of the answered calls take at the most." + KNOWS_NO_TENANTS,
            quantile(0.95, DURATION, where=APP_ANSWERED), "s", decimals=2, width=4,
        ),
        figure(
            "First chunk, 95 %", "After how long 95 % of the streams have begun." + KNOWS_NO_TENANTS,
            quantile(0.95, FIRST_CHUNK), "s", decimals=2, width=4, nothing="no streams",
        ),
        figure(
            "Output speed", "Tokens of output for each second that calls took." + KNOWS_NO_TENANTS,
            speed(), "suffix: tokens/s", decimals=0, width=4,
        ),
    ),
)  # fmt: skip

LATENCY = Section(
    "Latency",
    (
        chart(
            "Latency of calls",
            "What half, 95 % and 99 % of the answered calls take at the most, their streams read to the end. "
            "The dots are single calls, and lead to their traces." + KNOWS_NO_TENANTS,
            [
                Query(quantile(0.99, DURATION, where=APP_ANSWERED), "99 %"),
                Query(quantile(0.95, DURATION, where=APP_ANSWERED), "95 %", exemplar=True),
                Query(quantile(0.5, DURATION, where=APP_ANSWERED), "half"),
            ],
            "s", decimals=2,
        ),
        heat(
            "How latencies are spread", "How many answered calls took how long." + KNOWS_NO_TENANTS,
            histogram(DURATION, "bucket", where=APP_ANSWERED), "s",
        ),
        chart(
            "Time to the first chunk",
            "After how long half and 95 % of the streams have begun. The dots are single calls." + KNOWS_NO_TENANTS,
            [Query(quantile(0.95, FIRST_CHUNK), "95 %", exemplar=True), Query(quantile(0.5, FIRST_CHUNK), "half")],
            "s", decimals=2, nothing="no streams", width=8,
        ),
        chart(
            "Time between chunks", "The mean of a stream, for half and 95 % of them." + KNOWS_NO_TENANTS,
            [Query(quantile(0.95, EACH_CHUNK), "95 %"), Query(quantile(0.5, EACH_CHUNK), "half")],
            "s", decimals=3, nothing="no streams", width=8,
        ),
        chart(
            "Output speed by model", "Tokens of output for each second that calls took." + KNOWS_NO_TENANTS,
            [Query(top(speed(MODEL)), LEGEND)], "suffix: tokens/s", decimals=0, width=8,
        ),
        chart(
            "Latency by model", "What 95 % of the answered calls take at the most; the ten slowest." + KNOWS_NO_TENANTS,
            [Query(top(quantile(0.95, DURATION, MODEL, APP_ANSWERED)), LEGEND)], "s", decimals=2,
        ),
        chart(
            "Calls by model", "Finished calls a second, failed ones included; the ten with most.",
            [Query(top(calls_rate((MODEL_NAME,))), LEGEND)], "reqps", stacked=True, decimals=2,
        ),
    ),
)  # fmt: skip

FAILURES = Section(
    "Failures",
    (
        chart(
            "Failed calls by provider", "The share of the calls that failed.",
            [Query(failed_share(PROVIDER), "{{provider}}")], "percentunit", decimals=1, width=8,
        ),
        chart(
            "Refused as too many, by provider", "The share of the calls that providers refused with status 429.",
            [Query(refused_share(PROVIDER), "{{provider}}")], "percentunit", decimals=1, width=8,
        ),
        chart(
            "Failures by kind", "Failed calls a second, by what the provider or its SDK calls the error.",
            [Query(app_rate(metrics.CALLS, (ERROR,), f'{ERROR}!=""'), "{{" + ERROR + "}}")],
            "reqps", stacked=True, decimals=3, nothing="none failed", width=8,
        ),
        rows(
            "Models compared", "During the chosen time range; a model and its dated snapshots are one.",
            [("provider", "Provider"), (MODEL_NAME, "Model")],
            [
                Column("Calls", calls(MODEL), "short"),
                Column("Failed", failed_share_in_range(MODEL), "percentunit", 1, steps=FAILING),
                Column("Latency, half", quantile_in_range(0.5, DURATION, MODEL, APP_ANSWERED), "s", 2),
                Column("Latency, 95 %", quantile_in_range(0.95, DURATION, MODEL, APP_ANSWERED), "s", 2),
                Column("First chunk, 95 %", quantile_in_range(0.95, FIRST_CHUNK, MODEL), "s", 2),
                Column("Output speed", speed(MODEL, "increase"), "suffix: tokens/s", 0),
                Column("Cost of 1000 calls", f"{ratio(spent(MODEL), calls(MODEL))} * 1000", "currencyUSD", 2),
            ],
            width=24, height=10,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "performance", "Performance", "How fast and how well providers answer, compared.", (NOW, LATENCY, FAILURES)
)
