"""`opentelemetry-instrument python app.py`, and other instrumentations of the same calls beside ours."""

from __future__ import annotations

import logging
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import openai
import pytest

import tollkeeper
from capture.otlp_server import Collector, attributes
from capture.processes import ASK, SOURCE, environment, run
from tollkeeper.capture import setup
from tollkeeper.capture.zero_code import TollkeeperInstrumentor
from tollkeeper.simulator import Simulator

COMMAND = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, "-c"]
GROUP = "opentelemetry_instrumentor"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def base_url() -> Iterator[str]:
    with Simulator(seed=1) as running:
        yield running.base_url("openai")


def install(folder: Path, name: str, entry_points: dict[str, str]) -> None:
    """Make a distribution of this name known to everyone who can import from `folder`."""
    metadata = folder / f"{name}-9.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9\n")
    lines = [f"{key} = {value}\n" for key, value in entry_points.items()]
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{''.join(lines)}")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which Tollkeeper is installed as its pyproject says."""
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install(tmp_path, "tollkeeper", project["entry-points"][GROUP])
    return tmp_path


def test_an_app_that_does_not_mention_us_is_watched(site: Path, collector: Collector, base_url: str) -> None:
    env = environment(base_url, site, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="plain")
    assert run([*COMMAND, f"{ASK}\nask()\nask()"], env) == ""
    assert collector.services == {"plain"}
    assert [span.name for span in collector.spans] == ["chat gpt-4o-mini"] * 2
    assert len(collector.logs) == 2


def test_a_wrong_option_is_told_and_the_app_runs(site: Path, base_url: str) -> None:
    env = environment(base_url, site, TOLLKEEPER_PROMETHEUS_PORT="http")
    told = run([*COMMAND, f"{ASK}\nask()\nprint('the app has run')"], env)
    assert "the app has run" in told
    assert "Tollkeeper is off: environment variable TOLLKEEPER_PROMETHEUS_PORT is 'http'" in told
    assert "Traceback" not in told


def test_it_is_turned_off_by_its_own_name_only(site: Path, collector: Collector, base_url: str) -> None:
    ask = f"{ASK}\nask()"
    env = environment(base_url, site, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    run([*COMMAND, ask], {**env, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "tollkeeper"})
    assert collector.arrived == []
    run([*COMMAND, ask], {**env, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai,anthropic"})
    assert len(collector.spans) == 1


OTHER = """
import wrapt
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

class OtherInstrumentor(BaseInstrumentor):
    def instrumentation_dependencies(self):
        return ()
    def _instrument(self, **options):
        wrapt.wrap_function_wrapper("openai.resources.chat.completions", "Completions.create", around)
    def _uninstrument(self, **options):
        pass

def around(wrapped, instance, args, kwargs):
    with trace.get_tracer("other").start_as_current_span("other chat"):
        return wrapped(*args, **kwargs)
"""


@pytest.mark.parametrize("name", ["a_other", "z_other"])
def test_beside_another_instrumentation_we_count_each_call_once(
    name: str, site: Path, collector: Collector, base_url: str
) -> None:
    (site / f"{name}.py").write_text(OTHER)
    install(site, name.replace("_", "-"), {"openai": f"{name}:OtherInstrumentor"})
    env = environment(base_url, site, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    told = run([*COMMAND, f"{ASK}\nask()\nask()"], env)
    assert "other GenAI instrumentations are installed (openai)" in told
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=openai turns them off" in told
    assert sorted(span.name for span in collector.spans) == ["chat gpt-4o-mini"] * 2 + ["other chat"] * 2
    assert len({attributes(record.attributes)["tollkeeper.call.id"] for record in collector.logs}) == 2
    counts = [point.as_int for metric, _, point in collector.points if metric == "tollkeeper.calls"]
    assert counts == [2]


def warned(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, names: list[str]) -> str:
    points = [EntryPoint(name, "elsewhere:Instrumentor", GROUP) for name in names]
    monkeypatch.setattr(setup, "entry_points", lambda group: points)
    with caplog.at_level(logging.WARNING, "tollkeeper"):
        setup.warn_of_others()
    return caplog.text


def test_known_instrumentations_are_told_once_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = warned(monkeypatch, caplog, ["openai", "openai", "google-genai", "tollkeeper", "requests"])
    assert "(google-genai, openai)" in text


def test_those_that_are_turned_off_are_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "openai")
    assert warned(monkeypatch, caplog, ["openai", "requests"]) == ""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*")
    assert warned(monkeypatch, caplog, ["groq"]) == ""


def test_it_is_an_instrumentor_like_any_other(base_url: str) -> None:
    instrumentor = TollkeeperInstrumentor()
    create = openai.resources.chat.completions.Completions.create
    calls: list[tollkeeper.Call] = []
    question: Any = [{"role": "user", "content": "Hello"}]
    client = openai.OpenAI(base_url=base_url, api_key="any")
    for rounds in (1, 2):
        instrumentor.instrument(on_call=calls.append, an_option_of_some_distribution=True)
        try:
            assert instrumentor.is_instrumented_by_opentelemetry
            client.chat.completions.create(model="gpt-4o-mini", messages=question)
        finally:
            instrumentor.uninstrument()
        client.chat.completions.create(model="gpt-4o-mini", messages=question)
        assert len(calls) == rounds
    assert openai.resources.chat.completions.Completions.create is create
