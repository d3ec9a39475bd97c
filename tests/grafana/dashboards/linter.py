"""The rules of Grafana's dashboard-linter, and some of our own: each gives what is wrong.

Left out, as the linter's own users do: `template-job`, `template-instance`, `target-job` and `target-instance`, as one
chooses services, providers, models and tenants here, and not processes. `target-logql` has nothing to say.
`target-counter-agg` knows no differences of totals, nor `deriv()` of what a correction may lower; here it does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from grafana.dashboards.boards import Json, panels, targets, without_texts

UNITS = frozenset(
    [
        "none",
        "short",
        "percent",
        "percentunit",
        "currencyUSD",
        "bytes",
        "s",
        "dtdurations",
        "cps",
        "reqps",
        "suffix: tokens/s",
    ]
)  # of those that Grafana knows, the ones in use
MOST_PANELS = 20
COLUMNS = 24
OVERRIDES = frozenset(
    {
        "unit", "decimals", "thresholds", "color", "custom.cellOptions", "custom.lineStyle", "custom.lineWidth",
        "custom.fillOpacity", "custom.fillBelowTo",
    }
)  # fmt: skip
TRANSFORMATIONS = frozenset({"merge", "organize"})
COUNTER = re.compile(r"\b(\w+_total)(\{[^}]*\})?")
OVER_TIME = re.compile(r"\b(?:rate|irate|increase|changes|deriv)\((\w+)(\{[^}]*\})?\[[^\]]*\]")

Findings = Iterator[str]


def template_datasource(board: Json) -> Findings:
    found = [v for v in board["templating"]["list"] if v["type"] == "datasource"]
    if [(v["name"], v["label"], v["query"]) for v in found] != [("datasource", "Data source", "prometheus")]:
        yield "expected just one data source variable, named datasource"


def template_label_promql(board: Json) -> Findings:
    for variable in _queried(board):
        if not re.fullmatch(r"(label_values|query_result)\(.+\)", variable["query"]["query"]):
            yield f"{variable['name']}: expected label_values or query_result"


def template_on_time_change_reload(board: Json) -> Findings:
    for variable in _queried(board):
        if variable["refresh"] != 2:
            yield f"{variable['name']}: expected to be read again when the time range changes"


def template_choices(board: Json) -> Findings:
    for variable in _queried(board):
        if not (variable["multi"] and variable["includeAll"] and variable["allValue"] == ".*"):
            yield f"{variable['name']}: expected several or all to be chosen"


def panel_datasource(board: Json) -> Findings:
    for target in targets(board):
        for where in (target.panel, target.query):
            if where["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
                yield f"{target}: expected the chosen data source"


def panel_title_description(board: Json) -> Findings:
    for panel in panels(board):
        if not panel.get("title") or not panel.get("description", "").endswith("."):
            yield f"{panel.get('title')}: expected a title and a description in sentences"
    titles = [panel["title"] for panel in panels(board)]
    yield from (f"{title}: twice" for title in titles if titles.count(title) > 1)


def panel_units(board: Json) -> Findings:
    for panel in panels(board):
        overrides = [p for o in panel["fieldConfig"]["overrides"] for p in o["properties"]]
        for unit in (
            panel["fieldConfig"]["defaults"].get("unit"),
            *[p["value"] for p in overrides if p["id"] == "unit"],
        ):
            if unit not in UNITS:
                yield f"{panel['title']}: unknown unit {unit}"


def panel_overrides(board: Json) -> Findings:
    for panel in panels(board):
        for override in panel["fieldConfig"]["overrides"]:
            yield from (
                f"{panel['title']}: unknown {each['id']}"
                for each in override["properties"]
                if each["id"] not in OVERRIDES
            )
        for transformation in panel.get("transformations") or []:
            if transformation["id"] not in TRANSFORMATIONS:
                yield f"{panel['title']}: unknown {transformation['id']}"


def panel_no_targets(board: Json) -> Findings:
    yield from (f"{panel['title']}: no queries" for panel in panels(board) if not panel.get("targets"))


def target_rate_interval(board: Json) -> Findings:
    for target in targets(board):
        for window in re.findall(r"\b(?:rate|irate|increase)\([^\[\]]*\[([^\]]+)\]", without_texts(target.expr)):
            if window not in ("$__rate_interval", "$__range"):
                yield f"{target}: expected $__rate_interval, not {window}"


def target_counter_agg(board: Json) -> Findings:
    for target in targets(board):
        rest = OVER_TIME.sub("", without_texts(target.expr))
        for name, _ in COUNTER.findall(rest):
            is_difference = "offset" in target.expr and name.startswith("tollkeeper_")
            if not (is_difference or _is_state(target.panel)):
                yield f"{target}: {name} without rate()"


def target_increase(board: Json) -> Findings:
    """Of a series with few calls, it loses the first: money would be missing. Of histograms, it will do."""
    for target in targets(board):
        for name in re.findall(r"increase\((\w+)", target.expr):
            if not name.endswith(("_bucket", "_sum", "_count")):
                yield f"{target}: increase() of {name}"


def target_variables(board: Json) -> Findings:
    known = {v["name"] for v in board["templating"]["list"]}
    for target in targets(board):
        for name in re.findall(r"\$\{?(\w+)", target.expr):
            if not (name in known or name.startswith("__") or name.isdigit()):
                yield f"{target}: unknown variable {name}"


def uneditable(board: Json) -> Findings:
    if board["editable"] is not False:
        yield "expected editable to be false"


def frame(board: Json) -> Findings:
    if board["schemaVersion"] != 39 or "__inputs" in board or "${DS_" in json.dumps(board):
        yield "expected the classic model, without inputs"
    if not board["uid"].startswith("tollkeeper-") or board["tags"] != ["tollkeeper"]:
        yield "expected the uid tollkeeper-… and the tag tollkeeper"
    (link,) = board["links"]
    if not (link["asDropdown"] and link["includeVars"] and link["keepTime"] and link["tags"] == board["tags"]):
        yield "expected links by tag, with variables and time kept"


def layout(board: Json) -> Findings:
    if len(panels(board)) > MOST_PANELS:
        yield f"{len(panels(board))} panels"
    if len({panel["id"] for panel in board["panels"]}) != len(board["panels"]):
        yield "expected ids of their own"
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        if at["x"] + at["w"] > COLUMNS:
            yield f"{panel['title']}: too far right"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if taken.setdefault(cell, panel["title"]) != panel["title"]:
                yield f"{panel['title']}: over {taken[cell]}"
                break


RULES: tuple[Callable[[Json], Findings], ...] = (
    template_datasource, template_label_promql, template_on_time_change_reload, template_choices,
    panel_datasource, panel_title_description, panel_units, panel_overrides, panel_no_targets,
    target_rate_interval, target_counter_agg, target_increase, target_variables, uneditable, frame, layout,
)  # fmt: skip


def lint(board: Json) -> list[str]:
    return [f"{rule.__name__}: {finding}" for rule in RULES for finding in rule(board)]


def _queried(board: Json) -> list[Json]:
    return [v for v in board["templating"]["list"] if v["type"] == "query"]


def _is_state(panel: Json) -> bool:
    """What says in its description that it counts since the apps run."""
    return "since they run" in panel["description"] or "since the apps run" in panel["description"]
