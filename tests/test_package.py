"""What an installation of Tollkeeper is: light to import, typed, and nothing in it that does not belong."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import tollkeeper
from capture.processes import SOURCE, environment, run

ROOT = SOURCE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

SDKS = "openai anthropic google.genai groq ollama mistralai cohere boto3 botocore"
SERVERS = "http.server wsgiref fastapi flask gunicorn uvicorn starlette"
DRIVERS = "sqlite3 sqlalchemy psycopg redis"
HEAVY = "genai_prices pydantic prometheus_client opentelemetry.sdk httpx httpx2 requests rich asyncio"


def test_the_version_is_one_of_semantic_versioning() -> None:
    assert tollkeeper.__version__.count(".") == 2
    assert f"## {tollkeeper.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_it_is_marked_as_typed() -> None:
    assert Path(tollkeeper.__file__).with_name("py.typed").is_file()


def test_importing_it_imports_nothing_that_an_app_may_not_want() -> None:
    unwanted = f"{SDKS} {SERVERS} {DRIVERS} {HEAVY}".split()
    program = f"import sys, tollkeeper; print(*[name for name in {unwanted!r} if name in sys.modules])"
    assert run(program, environment("")).split() == []


def test_the_core_has_few_dependencies() -> None:
    names = {requirement.partition(">=")[0] for requirement in PROJECT["dependencies"]}
    assert names == {"opentelemetry-api", "genai-prices"}


def test_versions_are_pinned_and_tell_nothing_of_a_machine() -> None:
    for name in ("constraints.txt", "constraints-previous.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            package, separator, version = line.partition("==")
            assert package and separator and version, f"{name}: {line}"
            assert "/" not in line and "@" not in line, f"{name}: {line}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    if find_spec("build") is None or find_spec("hatchling") is None:
        pytest.skip("build and hatchling are not installed; `make test` does that")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_has_the_package_and_no_more(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = next(archive.read(name) for name in names if name.endswith("entry_points.txt")).decode()
    assert wheel.name == f"tollkeeper-{tollkeeper.__version__}-py3-none-any.whl"
    assert "tollkeeper/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} == {
        "tollkeeper",
        f"tollkeeper-{tollkeeper.__version__}.dist-info",
    }
    sources = {str(path.relative_to(SOURCE)) for path in (SOURCE / "tollkeeper").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}
    web = SOURCE / "tollkeeper" / "sidecar" / "web"
    page = {path for folder in ("static", "templates") for path in (web / folder).rglob("*") if path.is_file()}
    assert page and {str(path.relative_to(SOURCE)) for path in page} <= set(names)
    assert "tollkeeper = tollkeeper.cli.main:main" in entry_points
    assert "tollkeeper = tollkeeper.capture.zero_code:TollkeeperInstrumentor" in entry_points


def test_the_wheel_runs_by_itself(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    env = {**environment(""), "PYTHONPATH": str(wheel)}
    assert run("import tollkeeper; print(tollkeeper.__file__)", env).startswith(str(wheel))


def test_the_sdist_has_what_its_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("Makefile", "constraints.txt", "constraints-previous.txt", "LICENSE", "README.md", "CHANGELOG.md"):
        assert name in names
    assert {"tests/conftest.py", "tests/test_package.py", "examples/quickstart.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(".venv")]


def test_wrong_options_of_every_kind_are_told_at_once(tmp_path: Path) -> None:
    """Values of a wrong type, providers that there are not, and each mistake in a price file, in one error."""
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "m"\ninput = "a lot"\n[[alias]]\nmodel = "x"\n')
    with pytest.raises(tollkeeper.ConfigurationError) as raised:
        tollkeeper.instrument(providers=["opneai"], prices=prices, metric_label_sets=0)
    told = str(raised.value)
    for expected in ("'opneai'", "metric_label_sets=…) is 0", "price[0].input: 'a lot'", "alias[0].is: missing"):
        assert expected in told
