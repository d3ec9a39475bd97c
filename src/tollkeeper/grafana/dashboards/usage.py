"""Tokens: how many, of which kind, and how many come from a cache."""

from __future__ import annotations

from tollkeeper.grafana.frame import Board, Section
from tollkeeper.grafana.measures import calls, calls_rate, ratio, tokens, tokens_rate, top
from tollkeeper.grafana.panels import Column, Query, chart, figure, heat, rows
from tollkeeper.grafana.series import (
    INPUT_SIZE,
    MODEL_NAME,
    OUTPUT_SIZE,
    app_gain,
    app_rate,
    either,
    histogram,
    label,
    ledger_gain,
    none_while,
    quantile,
)
from tollkeeper.telemetry import metrics
from tollkeeper.telemetry import sidecar_metrics as sidecar
from tollkeeper.telemetry.metrics import USAGE_SOURCE_LABEL

TENANT, MODEL = ("tenant",), (MODEL_NAME,)
LEGEND = "{{" + MODEL_NAME + "}}"
SOURCE = label(USAGE_SOURCE_LABEL)
UNCOUNTED = either(
    ledger_gain(sidecar.LEDGER_UNMEASURED), app_gain(metrics.UNMEASURED_CALLS, where=f'{SOURCE}="unknown"')
)

FRESH = (
    f"{tokens_rate('input')} - ({tokens_rate('cache_read')} or vector(0)) - ({tokens_rate('cache_write')} or vector(0))"
)
PLAIN_OUTPUT = f"{tokens_rate('output')} - ({tokens_rate('reasoning')} or vector(0))"


def cache_share(by: tuple[str, ...] = ()) -> str:
    return ratio(tokens_rate("cache_read", by), tokens_rate("input", by))


NOW = Section(
    "During the chosen time range",
    (
        figure("Tokens", "Input and output together.", tokens(), "short", over_time=False, width=4),
        figure(
            "Tokens of a call", "On average, input and output together.", ratio(tokens(), calls()), "short",
            decimals=1, over_time=False, width=4,
        ),
        figure(
            "Tokens a second", "Input and output together.",
            f"{tokens_rate('input')} + {tokens_rate('output')}", "short", width=4,
        ),
        figure(
            "Input from a cache", "The share of the input that providers read from their caches, which costs less.",
            cache_share(), "percentunit", decimals=1, width=4,
        ),
        figure(
            "Reasoning", "The share of the output that is paid for and not shown.",
            ratio(tokens_rate("reasoning"), tokens_rate("output")), "percentunit", decimals=1, width=4,
        ),
        figure(
            "Calls nobody counted",
            "Recorded calls whose usage neither the provider told nor anybody counted: what they cost is unknown.",
            none_while(UNCOUNTED, calls()), "short", decimals=0, steps=((1, "orange"),), over_time=False, width=4,
        ),
    ),
)  # fmt: skip

TOKENS = Section(
    "Tokens",
    (
        chart(
            "Tokens by kind", "Tokens a second, by what they are paid for. The kinds do not overlap.",
            [
                Query(FRESH, "input"),
                Query(tokens_rate("cache_read"), "input from a cache"),
                Query(tokens_rate("cache_write"), "input to a cache"),
                Query(PLAIN_OUTPUT, "output"),
                Query(tokens_rate("reasoning"), "reasoning"),
            ],
            "short", stacked=True,
        ),
        chart(
            "Tokens by model", "Tokens a second, input and output together; the ten models with most.",
            [Query(top(f"{tokens_rate('input', MODEL)} + {tokens_rate('output', MODEL)}"), LEGEND)],
            "short", stacked=True,
        ),
        chart(
            "Input from a cache, by model", "The share of the input that was read from a cache.",
            [Query(cache_share(MODEL), LEGEND)], "percentunit", decimals=0,
        ),
        chart(
            "Output for each token of input", "How much is answered to what is asked, by model.",
            [Query(ratio(tokens_rate("output", MODEL), tokens_rate("input", MODEL)), LEGEND)],
            "short", decimals=2,
        ),
    ),
)  # fmt: skip

CALLS = Section(
    "Calls",
    (
        chart(
            "Size of calls", "Half of the calls have at most so many, and 95 % of them. From the apps' histograms.",
            [
                Query(quantile(0.5, INPUT_SIZE), "input, half"),
                Query(quantile(0.95, INPUT_SIZE), "input, 95 %"),
                Query(quantile(0.5, OUTPUT_SIZE), "output, half"),
                Query(quantile(0.95, OUTPUT_SIZE), "output, 95 %"),
            ],
            "short", decimals=0,
        ),
        heat(
            "Input of calls", "How many calls have how many tokens of input. From the apps' histograms.",
            histogram(INPUT_SIZE, "bucket"), "short",
        ),
        chart(
            "Calls by operation", "Calls a second, by what was asked for.",
            [Query(calls_rate(("operation",)), "{{operation}}")], "reqps", stacked=True, decimals=2, width=8,
        ),
        chart(
            "Calls by feature", "Calls a second, by the tag `feature`; the ten with most.",
            [Query(top(calls_rate(("feature",))), "{{feature}}")], "reqps", stacked=True, decimals=2, width=8,
        ),
        chart(
            "Calls that the provider did not measure",
            "Answered calls a second whose usage the provider has not told, by who has: an estimate, a part, nobody.",
            [Query(app_rate(metrics.UNMEASURED_CALLS, (SOURCE,)), "{{" + SOURCE + "}}")],
            "reqps", stacked=True, decimals=3, nothing="all measured", width=8,
        ),
        rows(
            "Tenants", "During the chosen time range.", [("tenant", "Tenant")],
            [
                Column("Tokens", tokens(TENANT), "short"),
                Column("Calls", calls(TENANT), "short"),
                Column("Tokens of a call", ratio(tokens(TENANT), calls(TENANT)), "short", 1),
                Column("Input", tokens(TENANT, "input"), "short"),
                Column("From a cache", ratio(tokens(TENANT, "cache_read"), tokens(TENANT, "input")), "percentunit", 1),
                Column("Output", tokens(TENANT, "output"), "short"),
                Column("Reasoning", tokens(TENANT, "reasoning"), "short"),
            ],
            width=24, height=7,
        ),
    ),
)  # fmt: skip

BOARD = Board("usage", "Usage", "Tokens and calls: how many, of which kind, from which cache.", (NOW, TOKENS, CALLS))
