"""The dashboards as Grafana would read them, and their queries as it would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "dashboards" / "grafana"
FILES = sorted(FOLDER.glob("*.json"))

Json = dict[str, Any]


def read(path: Path) -> Json:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def panels(board: Json) -> list[Json]:
    """Without the headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class Target:
    """A query, and whose it is."""

    panel: Json
    query: Json

    @property
    def expr(self) -> str:
        return str(self.query["expr"])

    @property
    def is_instant(self) -> bool:
        return bool(self.query.get("instant"))

    def __str__(self) -> str:
        return f"{self.panel['title']} {self.query['refId']}"


def targets(board: Json) -> Iterator[Target]:
    for panel in panels(board):
        for query in panel["targets"]:
            yield Target(panel, query)


def filled_in(expr: str, values: Mapping[str, str]) -> str:
    """With Grafana's variables replaced; what is not known stays."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), expr)


def chosen(board: Json, seconds: int, rate_seconds: int, **choices: str) -> dict[str, str]:
    """The value of each variable: what is chosen, or all."""
    values = {"__range": f"{seconds}s", "__rate_interval": f"{rate_seconds}s", "__interval": f"{rate_seconds}s"}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            values[variable["name"]] = choices.get(variable["name"], variable["allValue"])
    return values


FUNCTIONS_AND_WORDS = frozenset(
    {
        "sum", "max", "min", "count", "avg", "topk", "group", "by", "without", "on", "ignoring", "and", "or", "unless",
        "offset", "bool", "group_left", "group_right", "rate", "increase", "delta", "deriv", "histogram_quantile",
        "label_replace", "clamp_min", "vector", "time", "abs", "changes", "sort_desc", "last_over_time",
        "avg_over_time", "stddev_over_time", "days_in_month", "day_of_month", "hour", "minute", "label_values",
        "query_result",
    }
)  # fmt: skip
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def metrics_in(expr: str) -> dict[str, set[str]]:
    """Each metric that an expression names, and the labels that it is selected by."""
    found: dict[str, set[str]] = {}
    for name, inside in _SELECTOR.findall(_braces_hidden(expr)):
        matchers = dict(_MATCHER.findall(inside))
        names = [name] if name else matchers.pop("__name__").split("|")
        for each in names:
            found.setdefault(each, set()).update(matchers)
    bare = without_texts(_GROUPING.sub(" ", _SELECTOR.sub("", _braces_hidden(expr))))
    bare = re.sub(r"\[[^\]]*\]|offset\s+[\w$]+", " ", bare)
    for word in re.findall(r"\b[a-zA-Z_:][\w:]*", bare):
        if word not in FUNCTIONS_AND_WORDS and not word.startswith("__"):
            found.setdefault(word, set())
    return found


def grouped_by(expr: str) -> set[str]:
    """The labels that an expression keeps or compares."""
    lists = ",".join(_GROUPING.findall(without_texts(expr)))
    return {label.strip() for label in lists.split(",")} - {""}


def without_texts(expr: str) -> str:
    """With nothing in its strings: what is left is PromQL."""
    return _STRING.sub('""', expr)


def _braces_hidden(expr: str) -> str:
    """Without the braces of regular expressions in strings, and of Grafana's variables."""
    return _STRING.sub(lambda found: found[0].replace("{", "(").replace("}", ")"), expr).replace("${", "$(")
