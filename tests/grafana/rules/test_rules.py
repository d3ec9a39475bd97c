"""Every alert fires when it should, and only then; every recorded series is right; each wrong rule is found out."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grafana.rules.cases import CASES
from grafana.rules.mutants import mutants
from grafana.rules.promtool import RULES, failing, rule_of, texts
from services.prometheus import need
from tollkeeper.grafana.rules import Alert

AT_ONCE = 2


@pytest.fixture(scope="module")
def promtool() -> str:
    return need("promtool")


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    for rule in RULES:
        expected = [series for case in CASES if rule_of(case) is rule for series in case.expected.values()]
        assert any(expected), f"no case in which it is there: {rule}"
        if isinstance(rule, Alert) and rule.name != "TollkeeperWatchdog":
            assert not all(expected), f"no case in which it is silent: {rule}"


def test_the_texts_of_every_alert(promtool: str, tmp_path: Path) -> None:
    """Each template can be filled in, with labels that are there."""
    cases = [case for case in CASES if isinstance(rule_of(case), Alert) and any(case.expected.values())]
    said = texts(promtool, tmp_path, cases)
    assert {rule.name for rule in RULES if isinstance(rule, Alert)} <= set(re.findall(r'alertname="(\w+)"', said))
    assert 'summary="Budget spend (tenant=acme) is 80% spent."' in said
    assert "<no value>" not in said and "error expanding" not in said and "%!" not in said


def test_rules_and_their_mutants(promtool: str, tmp_path: Path) -> None:
    wrong = [list(mutants(rule)) for rule in RULES]
    asked = [(case, [rule_of(case), *wrong[RULES.index(rule_of(case))]]) for case in CASES]

    def look(part: int) -> set[str]:
        folder = tmp_path / str(part)
        folder.mkdir()
        return failing(promtool, folder, asked[part::AT_ONCE])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = set().union(*pool.map(look, range(AT_ONCE)))
    assert not failed & {rule.name for rule in RULES}
    alive = [each for versions in wrong for each in versions if each.name not in failed]
    print(f"{len(RULES)} rules, {len(CASES)} cases, {sum(map(len, wrong))} mutants, {len(alive)} alive")
    assert not alive, "\n\n".join(map(str, alive))
