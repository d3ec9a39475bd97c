"""What `docs/` says of the sidecar is so: its routes, options and metrics are all there are, and its commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capture.processes import environment
from sidecar.running import SECONDS, Sidecar, running
from tollkeeper.cli.serve import parser
from tollkeeper.config import SERVE_DEFAULTS, SERVE_OPTIONS
from tollkeeper.sidecar.api.app import ROUTES
from tollkeeper.sidecar.gauges import GAUGES
from tollkeeper.sidecar.metrics import FAMILIES, SPENT
from tollkeeper.sidecar.samples import OWN
from tollkeeper.telemetry import sidecar_metrics as names

ROOT = Path(__file__).parents[1]
SIDECAR = (ROOT / "docs" / "sidecar.md").read_text()
README = (ROOT / "README.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in SIDECAR.splitlines() if line.startswith("| `")
]
COMMANDS = [
    line.strip().partition("   ")[0]
    for page in (SIDECAR, README)
    for line in page.splitlines()
    if re.match(r"    (tollkeeper|curl) ", line)
]


def test_every_route_is_listed_as_it_is() -> None:
    listed = {
        (row[0], row[1], row[2]) for row in ROWS if row[0].split()[0] in ("`GET", "`POST", "`PUT", "`PATCH", "`DELETE")
    }
    known: list[tuple[Any, Any]] = [(route, scopes) for router, scopes in ROUTES for route in router.routes]
    routes = {
        (f"`{method} {route.path.replace(':path', '')}`", "".join(scopes or ()), route.summary)
        for route, scopes in known
        for method in route.methods
    }
    assert listed == routes


def test_every_option_is_listed_as_it_is() -> None:
    listed = [row for row in ROWS if len(row) == 4]
    assert listed == [
        [
            f"`{option.name}`",
            f"`{option.env}`",
            "" if getattr(SERVE_DEFAULTS, option.name) is None else f"`{getattr(SERVE_DEFAULTS, option.name)}`",
            option.meaning,
        ]
        for option in SERVE_OPTIONS
    ]


def test_every_metric_is_listed_as_it_is() -> None:
    for name, meaning, label, _ in FAMILIES:
        assert [f"`{name}`", f"`{label}`" if label else "", meaning] in ROWS
    assert [f"`{names.LEDGER_PERIOD_COST}`", "`period`", SPENT] in ROWS
    for name, family in GAUGES.items():
        assert [f"`{name}`", ", ".join(f"`{label}`" for label in family.labels), family.meaning] in ROWS
    own = [row for row in ROWS if row[0].startswith(f"`{names.SIDECAR}")]
    assert own == [
        [f"`{names.SIDECAR}{name}`", ", ".join(f"`{label}`" for label in family.labels), family.meaning]
        for name, family in OWN.items()
    ]


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("docs")
    with running(f"sqlite:///{folder}/tollkeeper.db", folder) as sidecar:
        yield sidecar


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command: str, sidecar: Sidecar) -> None:
    """In order, against one sidecar: some are about what an earlier one has made."""
    program, *arguments = shlex.split(command, comments=True)
    if program == "curl":
        url = arguments[0].replace("http://127.0.0.1:4318", sidecar.url)
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            assert answer.status == 200
    elif arguments[0] == "serve":
        parser().parse_args(arguments[1:])
    else:
        done = subprocess.run(
            [sys.executable, "-m", "tollkeeper", *arguments],
            env={**environment(""), "TOLLKEEPER_URL": sidecar.url},
            cwd=sidecar.log.parent,
            input="correct horse battery\n",  # where a password is asked for
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
