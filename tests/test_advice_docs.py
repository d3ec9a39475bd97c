"""What `docs/recommendations.md` says is so: all kinds and verdicts are there, its snippets and commands work."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from cli.telling import telling
from sidecar.api.serving import serving
from sidecar.api.world import World, make_call
from tollkeeper.insight.advice.facts import Task
from tollkeeper.insight.advice.recommendation import KINDS
from tollkeeper.insight.advice.snippets import exactly, step_for
from tollkeeper.insight.advice.tracking import Verdict
from tollkeeper.model.ladder import Step
from tollkeeper.policy.document import read_policy

PAGE = (Path(__file__).parents[1] / "docs" / "recommendations.md").read_text(encoding="utf-8")
BLOCKS = [
    "\n".join(line.removeprefix("    ") for line in block.splitlines())
    for block in re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", PAGE)
]
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("tollkeeper ")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(f"sqlite:///{tmp_path_factory.mktemp('docs') / 'ledger.db'}")
    made.record(make_call(1, tags={"tenant": "acme", "feature": "report"}))
    yield made
    made.close()


def named(heading: str) -> list[str]:
    """The first cells of the table under a heading."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.split("|")[1].strip().strip("`") for line in part.splitlines() if line.startswith("| `")]


def test_every_kind_and_verdict_is_told() -> None:
    assert sorted(named("What is advised")) == sorted(KINDS)
    assert sorted(named("Did it save?")) == sorted(get_args(Verdict))


def test_its_tables_are_a_policy_and_its_python_is_python() -> None:
    tables = [block for block in BLOCKS if block.lstrip().startswith("[")]
    assert len(tables) == 2
    ladder, classes = (read_policy(block, "docs.toml") for block in tables)
    assert classes.quality["good"][0] == "gpt-4o"
    step = Step(1, "cheaper", {exactly("gpt-4o"): "gpt-4o-mini"})
    (way,) = step_for(Task("search", "openai", "gpt-4o"), "cheaper", step)
    assert ladder == read_policy(way.text, "snippet.toml")
    python = [block for block in BLOCKS if "import" in block.lstrip().splitlines()[0]]
    assert len(python) == 2 and all(ast.parse(block) for block in python)


def test_its_commands_run(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert len(COMMANDS) == 7
    with serving(world.app) as url:
        tell = telling(world, url, monkeypatch, capsys)
        for command in COMMANDS:
            said = tell(*shlex.split(command)[1:])
            assert said.code == 0 and said.out, (command, said.err)
