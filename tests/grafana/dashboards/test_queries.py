"""Every query of the dashboards on a real Prometheus that has watched a real run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from grafana.dashboards.boards import (
    FILES,
    Json,
    Target,
    chosen,
    filled_in,
    grouped_by,
    metrics_in,
    panels,
    read,
    targets,
)
from grafana.observed import Observed, Prometheus
from tollkeeper.grafana.series import MODEL_NAME
from tollkeeper.telemetry import sidecar_metrics
from tollkeeper.telemetry.metrics import METRICS

RANGE_SECONDS = 24
RATE_SECONDS = 8
STEP_SECONDS = 2

TOO_EARLY = {
    "Now, a day and a week before B": "nothing has run a day ago",
    "Now, a day and a week before C": "nothing has run a week ago",
    **{f"The month's total {ref}": "a forecast takes two weeks of history" for ref in "ABC"},
    **{f"Limits at their end {ref}": "a forecast takes two weeks of history" for ref in "ABCE"},
}
"""What a short run cannot show. Each of these stands beside something that it can."""

SOMETIMES = {f"Counters and ledger disagree {ref}" for ref in "ABC"} | {"Limits at their end D"}
"""A sidecar compares its counters with the ledger now and then, and maybe not within a short run. How probable it is
that a limit is exceeded is known of one that is."""

ONLY_LATER = {
    sidecar_metrics.LIMIT_MISSING, sidecar_metrics.LIMIT_EXCESS, sidecar_metrics.LIMIT_ASSUMED,
    sidecar_metrics.FORECAST_USD, sidecar_metrics.LIMIT_FORECAST, sidecar_metrics.LIMIT_EXCEEDED,
    sidecar_metrics.LIMIT_EXHAUSTED,
}  # fmt: skip
NEWEST = {
    f"{metric.prometheus_name}_{part}"
    for metric in METRICS
    if metric.kind == "histogram" and ".inference." in metric.name
    for part in ("bucket", "sum", "count")
}
"""Of the newest conventions, which the app has not opted in to."""
OF_PROMETHEUS = {"ALERTS"}
ONLY_WHEN_IT_HAPPENS = {"tollkeeper_faults_total"}
"""Metrics that a short run without faults of the instrumentation itself does not have."""

SAID = {
    "needs the sidecar",
    "no limits",
    "no invoices",
    "no quotas",
    "needs two weeks of history",
    "no channels",
    "none wait",
    "none",
    "none denied",
    "none changed",
}
"""What panels say that have nothing to show, where that is no fault."""

ALL_BOARDS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def result(prometheus: Prometheus, board: Json, target: Target, **choices: str) -> list[dict[str, Any]]:
    expr = filled_in(target.expr, chosen(board, RANGE_SECONDS, RATE_SECONDS, **choices))
    # The day before the run is empty, and takes long to look at.
    expr = expr.replace(f"[1d:{RATE_SECONDS}s]", f"[3m:{STEP_SECONDS}s]")
    assert "$" not in expr.replace('"$1"', ""), f"{target}: {expr}"
    try:
        if target.is_instant:
            return prometheus.value(expr)
        return prometheus.course(expr, RANGE_SECONDS, STEP_SECONDS)
    except ValueError as error:
        raise AssertionError(f"{target}: {error}\n{expr}") from None


def numbers(series: dict[str, Any]) -> list[float]:
    return [float(value) for _, value in series.get("values") or [series["value"]]]


def has_data(found: list[dict[str, Any]]) -> bool:
    return any(math.isfinite(number) for series in found for number in numbers(series))


@ALL_BOARDS
def test_every_query_has_data(observed: Observed, path: Path) -> None:
    board = read(path)
    empty = {str(target) for target in targets(board) if not has_data(result(observed.both, board, target))}
    assert empty - SOMETIMES == {str(target) for target in targets(board)} & TOO_EARLY.keys()


@ALL_BOARDS
def test_legends_name_labels_that_are_there(observed: Observed, path: Path) -> None:
    board = read(path)
    for target in targets(board):
        named = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.query["legendFormat"]))
        if named and str(target) not in {*TOO_EARLY, *SOMETIMES}:
            labels = {label for series in result(observed.both, board, target) for label in series["metric"]}
            assert named <= labels, f"{target}: {labels}"


@ALL_BOARDS
def test_tables_have_the_columns_that_they_name(observed: Observed, path: Path) -> None:
    board = read(path)
    for panel in panels(board):
        if panel["type"] == "table":
            tidy = panel["transformations"][-1]["options"]["renameByName"]
            labels = {name for name in tidy if not name.startswith("Value")}
            for query in panel["targets"]:
                for series in result(observed.both, board, Target(panel, query)):
                    assert series["metric"].keys() <= labels, panel["title"]


def variables(prometheus: Prometheus, board: Json, **choices: str) -> Iterator[tuple[str, set[str]]]:
    """The values that each variable has to choose from."""
    values = chosen(board, RANGE_SECONDS, RATE_SECONDS, **choices)
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = filled_in(variable["query"]["query"], values)
        if inside := re.fullmatch(r"label_values\((.+), (\w+)\)", query):
            moments = {"start": prometheus.at - RANGE_SECONDS, "end": prometheus.at}
            found = set(prometheus.ask(f"label/{inside[2]}/values", **{"match[]": inside[1]}, **moments)) - {""}
        else:
            inside = re.fullmatch(r"query_result\((.+)\)", query)
            assert inside is not None, query
            pattern = re.compile(variable["regex"].strip("/"))
            shown = [_as_grafana_shows(series["metric"]) for series in prometheus.value(inside[1])]
            found = {match[1] for text in shown if (match := pattern.search(text))}
        yield variable["name"], found


def _as_grafana_shows(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "} 1 0"


EVERYTHING = {
    "service": {"shop"},
    "provider": {"openai", "anthropic"},
    "model": {"claude-haiku-4-5", "claude-sonnet-4-5", "gpt-4.1-nano", "gpt-4o-mini", "gpt-5", "house-model-7b"},
    "tenant": {"acme", "globex", "initech"},
}


@ALL_BOARDS
@pytest.mark.parametrize("who", ["both", "app_alone"])
def test_variables_have_values(observed: Observed, path: Path, who: str) -> None:
    board, prometheus = read(path), getattr(observed, who)
    found = dict(variables(prometheus, board))
    assert found["model"] >= EVERYTHING["model"]
    assert {**found, "model": set()} == {**EVERYTHING, "model": set()}
    chained = dict(variables(prometheus, board, service="shop", provider="anthropic"))
    assert chained["provider"] == EVERYTHING["provider"]
    assert {"claude-haiku-4-5", "claude-sonnet-4-5"} <= chained["model"]
    assert not any(model.startswith(("gpt", "house")) for model in chained["model"])


@ALL_BOARDS
def test_choices_reach_the_queries(observed: Observed, path: Path) -> None:
    """With one of each chosen, every query is sound; with what there is not, what can be told apart is empty."""
    board = read(path)
    one = {"service": "shop", "provider": "openai", "model": "(gpt-4o-mini|gpt-5)", "tenant": "(acme|globex)"}
    nothing = dict.fromkeys(one, "no-such")
    for target in targets(board):
        result(observed.both, board, target, **one)
        if "$model" in target.expr and "vector(0)" not in target.expr:
            assert not has_data(result(observed.both, board, target, **nothing)), target


@ALL_BOARDS
def test_annotations_are_sound(observed: Observed, path: Path) -> None:
    board = read(path)
    names = [annotation["name"] for annotation in board["annotations"]["list"]]
    assert names == ["Price lists", "Alerts", "Deploys"]
    values = chosen(board, RANGE_SECONDS, RATE_SECONDS)
    for annotation in board["annotations"]["list"]:
        observed.both.course(filled_in(annotation["expr"], values), RANGE_SECONDS, STEP_SECONDS)
    deploys = board["annotations"]["list"][-1]["expr"]
    assert observed.both.course(filled_in(deploys, values), observed.both.at - observed.began + 5, 1)


def test_every_metric_and_label_is_emitted(observed: Observed) -> None:
    emitted: dict[str, set[str]] = {}
    for page in observed.pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                emitted.setdefault(sample.name, set()).update(sample.labels)
    labels = {label for found in emitted.values() for label in found} | {"instance", "pod", MODEL_NAME}
    asked = 0
    for path in FILES:
        board = read(path)
        queries = [target.expr for target in targets(board)]
        queries += [annotation["expr"] for annotation in board["annotations"]["list"]]
        queries += [v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query"]
        for expr in queries:
            asked += 1
            named = metrics_in(expr.replace(", service)", ")").replace(", tenant)", ")"))
            if named.keys() & (ONLY_LATER | ONLY_WHEN_IT_HAPPENS | OF_PROMETHEUS):
                continue
            for metric in NEWEST & named.keys():
                del named[metric]
            for metric, selected_by in named.items():
                assert metric in emitted, f"{path.stem}: {metric} in {expr}"
                assert selected_by <= emitted[metric], f"{path.stem}: {metric}{{{selected_by}}}"
            assert grouped_by(expr) <= labels, f"{path.stem}: {expr}"
    assert asked > 100


def test_totals_are_those_of_the_ledger(observed: Observed) -> None:
    """To the nano-dollar, however few calls a series has."""
    board = read(next(path for path in FILES if path.stem == "cost"))
    told = observed.sidecar.get("/api/v1/usage?days=2&group_by=model")
    seconds = int(observed.both.at - observed.began) + 30
    found = {}
    for target in targets(board):
        if target.panel["title"] in ("Spent", "Calls"):
            expr = filled_in(target.expr, chosen(board, seconds, RATE_SECONDS))
            (series,) = observed.both.value(expr)
            found[target.panel["title"]] = numbers(series)[0]
    assert told["total_cost_nano_usd"] > 0
    assert round(found["Spent"] * 1e9) == told["total_cost_nano_usd"]
    assert found["Calls"] == told["total_calls"]


@ALL_BOARDS
def test_an_app_by_itself(observed: Observed, path: Path) -> None:
    """Without a sidecar, panels show what the app's own metrics tell; those that cannot say so."""
    board = read(path)
    for panel in panels(board):
        shown = any(has_data(result(observed.app_alone, board, Target(panel, query))) for query in panel["targets"])
        says = panel["fieldConfig"]["defaults"].get("noValue")
        needs_more = says in SAID or "Needs the " in panel["description"]
        assert shown or needs_more, f"{panel['title']}: nothing without the sidecar, and no word of it"


def test_latencies_lead_to_traces(observed: Observed) -> None:
    board = read(next(path for path in FILES if path.stem == "performance"))
    asked = [target for target in targets(board) if target.query.get("exemplar")]
    assert len(asked) == 2
    expr = filled_in(asked[0].expr, chosen(board, RANGE_SECONDS, RATE_SECONDS))
    found = observed.both.ask("query_exemplars", query=expr, start=observed.began, end=observed.both.at)
    assert all("trace_id" in each["labels"] for series in found for each in series["exemplars"])
    assert found
