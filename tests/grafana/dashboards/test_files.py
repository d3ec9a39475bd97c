"""The dashboards' files: current, of Grafana's types, and by the linter's rules."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grafana_foundation_sdk")

from grafana.dashboards.boards import FILES, Json, grouped_by, metrics_in, panels, read  # noqa: E402  it needs the SDK
from grafana.dashboards.linter import RULES, lint  # noqa: E402
from tollkeeper.grafana.dashboards import BOARDS  # noqa: E402

NAMES = ("anomalies", "budgets", "cost", "overview", "performance", "pipeline", "usage")


def typed(board: Json) -> Any:
    """The dashboard as the SDK's types read and write it: what they do not know is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
        from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415
        from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(deepcopy(board))))


def test_the_files_are_current() -> None:
    assert tuple(path.stem for path in FILES) == NAMES == tuple(sorted(board.name for board in BOARDS))
    for board in BOARDS:
        path = next(path for path in FILES if path.stem == board.name)
        assert path.read_text() == board.render(), f"{path.name}: run python -m tollkeeper.grafana.build"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_they_are_of_grafanas_types(path: Path) -> None:
    board = read(path)
    assert typed(board) == board


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_they_obey_the_linter(path: Path) -> None:
    assert lint(read(path)) == []


def test_uids_and_titles_are_their_own() -> None:
    boards = [read(path) for path in FILES]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == len(boards)


def first(board: Json) -> Json:
    return panels(board)[0]


def spoiled(change: Callable[[Json], object]) -> Json:
    board = read(FILES[0])
    change(board)
    return board


FAULTS: tuple[tuple[str, Callable[[Json], object]], ...] = (
    ("template_datasource", lambda b: b["templating"]["list"][0].update(name="ds")),
    ("template_label_promql", lambda b: b["templating"]["list"][1]["query"].update(query="up")),
    ("template_on_time_change_reload", lambda b: b["templating"]["list"][1].update(refresh=1)),
    ("template_choices", lambda b: b["templating"]["list"][1].update(multi=False)),
    ("panel_datasource", lambda b: first(b)["targets"][0].update(datasource={"type": "prometheus", "uid": "x"})),
    ("panel_title_description", lambda b: first(b).update(description="")),
    ("panel_units", lambda b: first(b)["fieldConfig"]["defaults"].update(unit="dollars")),
    (
        "panel_overrides",
        lambda b: first(b)["fieldConfig"]["overrides"].append({"matcher": {}, "properties": [{"id": "colour"}]}),
    ),
    ("panel_no_targets", lambda b: first(b).update(targets=[])),
    ("target_rate_interval", lambda b: first(b)["targets"][0].update(expr="rate(x_total[2m])")),
    ("target_counter_agg", lambda b: first(b)["targets"][0].update(expr="sum(tollkeeper_ledger_calls_total)")),
    ("target_increase", lambda b: first(b)["targets"][0].update(expr="increase(x_total[$__range])")),
    ("target_variables", lambda b: first(b)["targets"][0].update(expr='up{job="$job"}')),
    ("uneditable", lambda b: b.update(editable=True)),
    ("frame", lambda b: b.update(schemaVersion=42)),
    ("layout", lambda b: panels(b)[1].update(gridPos=first(b)["gridPos"])),
)


@pytest.mark.parametrize(("rule", "change"), FAULTS, ids=[rule for rule, _ in FAULTS])
def test_the_linter_finds_faults(rule: str, change: Callable[[Json], object]) -> None:
    assert any(finding.startswith(f"{rule}: ") for finding in lint(spoiled(change)))


def test_every_rule_has_a_fault() -> None:
    assert [rule.__name__ for rule in RULES] == [rule for rule, _ in FAULTS]


def test_the_types_find_misspelt_fields() -> None:
    board = spoiled(lambda b: first(b).update(titel="x"))
    assert typed(board) != board


def test_what_a_query_names_is_found() -> None:
    """Else the check that all of it is emitted would check nothing."""
    expr = (
        'sum by (le, tenant) (rate({__name__=~"a_bucket|b_bucket",x=~"$y(-20[0-9]{2})?"}[5m])) / on (p) c_total{z!=""}'
    )
    assert metrics_in(expr) == {"a_bucket": {"x"}, "b_bucket": {"x"}, "c_total": {"z"}}
    assert grouped_by(expr) == {"le", "tenant", "p"}
    assert metrics_in('max(d) - (vector(0) or e offset 1d) * 1e6 > 0 and f{g="{h}"}') == {
        "d": set(), "e": set(), "f": {"g"},
    }  # fmt: skip
