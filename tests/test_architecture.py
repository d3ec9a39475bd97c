"""The arrows point one way, the quiet half is quiet, and nothing grows too large."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tollkeeper

ROOT = Path(tollkeeper.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

LAYERS = (
    {"version", "model"},
    {"pricing", "policy"},
    {"alerting", "insight"},
    {"config"},
    {"telemetry"},
    {"storage", "client"},
    {"capture", "sidecar"},
    {"simulator"},
    {"middleware", "grafana"},
    {"__init__"},
    {"cli"},
    {"__main__"},
)
"""A package imports from itself and from the rows above it. `simulator` needs nothing of ours."""

QUIET = {"model", "policy", "pricing", "telemetry", "alerting", "insight"}
IO_MODULES = {
    "os", "sys", "time", "random", "secrets", "socket", "sqlite3", "threading", "asyncio", "subprocess", "urllib",
    "http", "pathlib", "tempfile", "shutil", "uuid", "httpx", "httpx2", "redis", "opentelemetry", "prometheus_client",
}  # fmt: skip
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
BANNED_NAMES = {"utils", "helpers", "common", "misc", "manager", "handlers", "base"}


def home(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module_name(path: Path) -> str:
    parts = ("tollkeeper", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


MODULES = {module_name(path) for path in FILES}


@cache
def imports(path: Path) -> tuple[str, ...]:
    """The modules that a file imports, those under `TYPE_CHECKING` left out: they are not there at run time."""
    return tuple(_imports(parsed(path), path))


def _imports(tree: ast.Module, path: Path) -> Iterator[str]:
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    mine = home(path)
    assert mine in rank, f"{mine} has no place in LAYERS"
    for module in imports(path):
        top, _, rest = module.partition(".")
        target = rest.partition(".")[0]
        if top == "tollkeeper" and target in rank and target != mine:
            assert rank[target] < rank[mine], f"{path}: {mine} must not import {target}"


@pytest.mark.parametrize("path", [path for path in FILES if home(path) in QUIET], ids=lambda path: str(path.name))
def test_the_quiet_half_has_no_io_clock_or_environment(path: Path) -> None:
    loud = {module.partition(".")[0] for module in imports(path)} & IO_MODULES
    assert not loud, f"{path} imports {loud}"


def test_no_import_cycles() -> None:
    graph = {module_name(path): {name for name in imports(path) if name in MODULES} for path in FILES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for target in graph[name] - {name}:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    assert path.stem not in BANNED_NAMES
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{path}: {node.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_config_reads_the_environment(path: Path) -> None:
    if home(path) != "config":
        assert "os.environ" not in path.read_text()
        assert "os.getenv" not in path.read_text()


def test_async_is_written_in_the_drivers_and_taps_only() -> None:
    """Sync and async are written once: what differs by `await` is a few lines."""
    lines = sum(
        line.lstrip().startswith(("async ", "await ")) or " await " in line
        for path in FILES
        if home(path) == "capture"
        for line in path.read_text().splitlines()
    )
    assert lines <= 50
