"""What the README says is so: its options and metrics are all there are, and its examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.running import Sidecar, running
from tollkeeper.config import OPTIONS
from tollkeeper.policy.document import read_toml
from tollkeeper.pricing import Overlay
from tollkeeper.simulator import Simulator
from tollkeeper.telemetry.metrics import METRICS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in README.splitlines() if line.startswith("| `")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_every_option_is_listed_as_it_is() -> None:
    """Name, environment variable and meaning, in order."""
    listed = [(row[0], row[1], row[3]) for row in ROWS if len(row) == 4 and not row[1].startswith("`gen_ai")]
    expected = [(f"`{option.name}`", f"`{option.env}`" if option.env else "", option.meaning) for option in OPTIONS]
    assert [row for row in listed if row[0] in {name for name, _, _ in expected}] == expected


def test_every_metric_is_listed_as_it_is() -> None:
    for metric in METRICS:
        total = "_total" if metric.kind == "counter" else ""
        assert [f"`{metric.name}`", f"`{metric.prometheus_name}{total}`", metric.kind, metric.description] in ROWS


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("readme")
    with running(f"sqlite:///{folder}/tollkeeper.db", folder) as sidecar:
        yield sidecar


@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.split("\n")[-2][:40])
def test_every_example_runs(source: str, sidecar: Sidecar) -> None:
    with Simulator(seed=1) as simulator:
        done = subprocess.run(
            [sys.executable, "-c", source],
            env={
                **os.environ,
                "OPENAI_BASE_URL": simulator.base_url("openai"),
                "ANTHROPIC_BASE_URL": simulator.base_url("anthropic"),
                "OPENAI_API_KEY": "none",
                "ANTHROPIC_API_KEY": "none",
                "TOLLKEEPER_URL": sidecar.url,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", blocks("toml"))
def test_every_file_is_right(source: str) -> None:
    if "[policy]" in source:
        read_toml(source, "README.md")
    else:
        Overlay.parse(source, "README.md")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
