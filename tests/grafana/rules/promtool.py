"""Runs rules on made-up series with `promtool test rules`, several versions of a rule at once."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tollkeeper.grafana.rules import CATEGORIES, Alert, Group, Record
from tollkeeper.grafana.rules.rule import Links, labels_of, write_rules

Rule = Alert | Record
RULES: tuple[Rule, ...] = tuple(rule for category in CATEGORIES for group in category.groups for rule in group.rules)
RECORDED = {rule.name: rule for rule in RULES if isinstance(rule, Record)}
MILLION = 1_000_000


@dataclass(frozen=True)
class Case:
    """What a rule makes of some series.

    `given`: their values, one each `step`, as promtool writes them; a recorded one among them is not worked out.
    `expected`: at which time which labels with which value. Of an alert they are those that fire, without the labels
    that the rule itself puts on. `labels` tells the rules of one name apart.
    """

    rule: str
    given: Mapping[str, str]
    expected: Mapping[str, Sequence[tuple[str, float]]]
    labels: Mapping[str, str] = field(default_factory=dict)
    step: str = "1m"


def rule_of(case: Case) -> Rule:
    (found,) = [rule for rule in RULES if rule.name == case.rule and _has(rule, case.labels)]
    return found


def _has(rule: Rule, labels: Mapping[str, str]) -> bool:
    return not labels or (isinstance(rule, Alert) and labels.items() <= labels_of(rule).items())


def names_in(expr: str) -> set[str]:
    """The metrics and recorded series that an expression reads."""
    without = re.sub(r'"[^"]*"|\[[^]]*\]|\boffset\s+\w+', "", re.sub(r"\{[^{}]*\}", "", expr))
    without = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^()]*\)", "", without)
    words = re.findall(r"[a-zA-Z_][\w:]*(?!\s*\()\b(?!\s*\()", without)
    return {word for word in words if word not in KEYWORDS and not re.fullmatch(r"[\d.]+[smhd]\w*", word)}


KEYWORDS = {"and", "or", "unless", "offset", "bool"}


def needed(rule: Rule, given: Iterable[str]) -> list[Record]:
    """The recorded series that a rule reads, and those that these read, in the order of their evaluation."""
    have = {series.partition("{")[0] for series in given}
    wanted: set[str] = set()
    open_ = [rule]
    while open_:
        for name in names_in(open_.pop().expr) - have - wanted:
            if name in RECORDED:
                wanted.add(name)
                open_.append(RECORDED[name])
    return [each for each in RULES if isinstance(each, Record) and each.name in wanted]


def failing(promtool: str, folder: Path, cases: Sequence[tuple[Case, Sequence[Rule]]]) -> set[str]:
    """The names of those versions of the cases' rules that make something else of a case than is expected."""
    failed: set[str] = set()
    broken: set[str] = set()
    left = range(len(cases))
    while left:
        tests = [_write(folder, str(at), cases[at][0], [each for each in cases[at][1] if each.name not in broken])
                 for at in left]  # fmt: skip
        said = _run(promtool, tests)
        failed |= set(re.findall(r'# (\S+)\|", time:', said))
        # One that cannot be evaluated ends the test of all others.
        found = set(re.findall(r"^\s*rule: (\S+), time:", said, re.MULTILINE))
        assert (
            "parse" not in said and said.count("SUCCESS") + said.count("FAILED") >= len(tests) and not found & broken
        ), said
        broken |= found
        left = [at for at in left if any(each.name in found for each in cases[at][1])]
    return failed | broken


def texts(promtool: str, folder: Path, cases: Sequence[Case]) -> str:
    """What promtool says of the alerts of these cases, with their annotations, when none is expected."""
    tests = [_write(folder, str(number), case, [rule_of(case)]) for number, case in enumerate(cases)]
    for test, case in zip(tests, cases, strict=True):
        content = json.loads(test.read_text())
        del content["tests"][0]["promql_expr_test"]
        none = [{"eval_time": at, "alertname": case.rule, "exp_alerts": []} for at in case.expected]
        content["tests"][0]["alert_rule_test"] = none
        test.write_text(json.dumps(content))
    return _run(promtool, tests)


def _run(promtool: str, tests: Sequence[Path]) -> str:
    names = [test.name for test in tests]
    done = subprocess.run(
        [promtool, "test", "rules", *names], cwd=tests[0].parent, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def _write(folder: Path, name: str, case: Case, versions: Sequence[Rule]) -> Path:
    rules, test = folder / f"{name}.rules.yml", folder / f"{name}.test.yml"
    records = needed(rule_of(case), case.given)
    rules.write_text(write_rules((Group("all", (*records, *versions)),), Links()))
    one = {
        "interval": case.step,
        "input_series": [{"series": series, "values": values} for series, values in case.given.items()],
        "promql_expr_test": [asked for version in versions for asked in _asked(case, version)],
    }
    test.write_text(json.dumps({"rule_files": [rules.name], "evaluation_interval": case.step, "tests": [one]}))
    return test


def _asked(case: Case, version: Rule) -> Iterable[Mapping[str, object]]:
    """A query for each time. The comment in it tells the versions apart in what promtool says."""
    for at, series in case.expected.items():
        if isinstance(version, Record):
            expr = f"round({version.name} * {MILLION}) # {version.name}|"
            samples = [{"labels": labels, "value": round(value * MILLION)} for labels, value in series]
        else:
            expr = f'ALERTS{{alertname="{version.name}", alertstate="firing"}} # {version.name}|'
            samples = [{"labels": _firing(version, labels), "value": 1} for labels, _ in series]
        yield {"expr": expr, "eval_time": at, "exp_samples": samples}


def _firing(alert: Alert, labels: str) -> str:
    own = {"alertname": alert.name, "alertstate": "firing", **labels_of(alert)}
    known = ", ".join(filter(None, [labels.strip("{}"), *(f'{name}="{text}"' for name, text in own.items())]))
    return f"ALERTS{{{known}}}"
