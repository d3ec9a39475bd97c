"""What is generated is what is in `dashboards/`; Prometheus takes its rules, and each alert tells what it means."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from grafana.rules.promtool import RULES
from services.prometheus import need
from tollkeeper.grafana.build import FOLDER, main
from tollkeeper.grafana.rules import Alert
from tollkeeper.grafana.rules.rule import Links, labels_of

RULE_FILES = sorted((FOLDER / "prometheus").glob("*.rules.yml"))
ALERTS = [rule for rule in RULES if isinstance(rule, Alert)]
RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks.md"


def test_nothing_has_drifted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_links_lead_to_where_one_says(tmp_path: Path) -> None:
    main(["--folder", str(tmp_path), "--grafana", "https://grafana.example", "--runbooks", "https://runbooks.example"])
    written = (tmp_path / "prometheus" / "budget.rules.yml").read_text()
    assert '"https://runbooks.example#tollkeeperbudgetused"' in written
    assert '"https://grafana.example/d/tollkeeper-budgets' in written


def test_promtool_takes_the_rules() -> None:
    command = [need("promtool"), "check", "rules", "--lint-fatal", *map(str, RULE_FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(map(int, re.findall(r"(\d+) rules found", done.stdout))) == len(RULES)


def test_every_alert_says_what_it_is() -> None:
    for alert in ALERTS:
        assert re.fullmatch(r"Tollkeeper[A-Z]\w+", alert.name)
        assert labels_of(alert).get("severity", "info") in ("critical", "warning", "info", "none")
        assert alert.summary.endswith(".") and len(re.sub(r"{{.*?}}", "", alert.summary)) < 80
        assert all(Links().annotations(alert).values())


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    headings = re.findall(r"^### (Tollkeeper\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted({alert.name for alert in ALERTS})


def test_every_board_that_an_alert_links_to_is_there() -> None:
    boards = "".join(path.read_text() for path in (FOLDER / "grafana").glob("*.json"))
    for alert in ALERTS:
        board, _, variables = alert.dashboard.partition("?")
        assert f'"uid": "{board}"' in boards, alert.name
        for variable in re.findall(r"var-(\w+)=", variables):
            assert f'"name": "{variable}"' in boards, alert.name
