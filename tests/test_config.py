"""Where an option comes from, what a wrong one is told, and which signals leave by OTLP."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tollkeeper
from tollkeeper import config
from tollkeeper.config import OPTIONS, ConfigurationError, Settings, load_serve
from tollkeeper.config.instrument import SIGNALS


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("TOLLKEEPER_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    def to(text: str) -> Path:
        path = tmp_path / "tollkeeper.toml"
        path.write_text(text, encoding="utf-8")
        return path

    yield to


def problems(given: dict[str, Any], path: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        config.load(given, path)
    return str(caught.value)


def test_without_anything_the_settings_have_their_defaults() -> None:
    assert config.load({}) == Settings() == config.DEFAULTS


def test_instrument_takes_every_option() -> None:
    taken = set(inspect.signature(tollkeeper.instrument).parameters)
    assert taken == {option.name for option in OPTIONS} | {"config_file"}


def test_each_option_has_a_variable_of_its_own() -> None:
    variables = [option.env for option in OPTIONS if option.env]
    assert len(set(variables)) == len(variables)
    assert all(name.startswith(("TOLLKEEPER_", "OTEL_")) for name in variables)


def test_argument_over_environment_over_file_over_default(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path]
) -> None:
    path = write("[instrument]\nmetric_label_sets = 1\nprometheus_port = 1\nprices = 'file'\n")
    monkeypatch.setenv("TOLLKEEPER_METRIC_LABEL_SETS", "2")
    monkeypatch.setenv("TOLLKEEPER_PROMETHEUS_PORT", "2")
    settings = config.load({"metric_label_sets": 3, "log_calls": None}, path)
    assert (settings.metric_label_sets, settings.prometheus_port, settings.prices) == (3, 2, "file")
    assert settings.log_calls is False


def test_a_falsy_argument_is_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_INJECT_USAGE", "true")
    monkeypatch.setenv("TOLLKEEPER_METRIC_TAGS", "tenant")
    monkeypatch.setenv("TOLLKEEPER_PROMETHEUS_PORT", "9")
    settings = config.load({"inject_usage": False, "metric_tags": [], "prometheus_port": 0})
    assert (settings.inject_usage, settings.metric_tags, settings.prometheus_port) == (False, (), 0)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_PROMETHEUS_PORT", " ")
    monkeypatch.setenv("TOLLKEEPER_CONFIG", "")
    assert config.load({}).prometheus_port is None


def test_the_file_may_be_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path]
) -> None:
    path = write('[instrument]\ntags = {tenant = "acme", tier = 1}\n[sidecar]\nanything = true\n')
    monkeypatch.setenv("TOLLKEEPER_CONFIG", str(path))
    assert config.load({}).tags == {"tenant": "acme", "tier": "1"}


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path]) -> None:
    path = write("[instrument]\nlog_calls = 'maybe'\nprometeus_port = 1\n")
    monkeypatch.setenv("TOLLKEEPER_PROMETHEUS_PORT", "http")
    told = problems({"metric_label_sets": 0, "colour": "red", "tracer_provider": object()}, path)
    for expected in (
        "instrument(metric_label_sets=…) is 0; expected a whole number above zero",
        "instrument(): 'colour' is no option; there are tracer_provider, ",
        "instrument(tracer_provider=…) is <object",
        "expected a tracer provider, with get_tracer()",
        "environment variable TOLLKEEPER_PROMETHEUS_PORT is 'http'; expected a port number from 0",
        f"{path} [instrument] log_calls is 'maybe'; expected true or false",
        f"{path} [instrument]: 'prometeus_port' is no option; did you mean 'prometheus_port'?",
    ):
        assert expected in told


@pytest.mark.parametrize(
    ("text", "told"), [("[instrument", "is not TOML"), ("instrument = 1", "expected a table [instrument]")]
)
def test_a_file_that_is_no_configuration(write: Callable[[str], Path], text: str, told: str) -> None:
    assert told in problems({}, write(text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    assert problems({}, path) == f"{path}: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("option", "value", "read"),
    [
        ("log_calls", "YES", True),
        ("log_calls", "off", False),
        ("prometheus_port", " 9100 ", 9100),
        ("prometheus_port", 65535, 65535),
        ("metric_label_sets", "7", 7),
        ("providers", "openai, groq,", ("openai", "groq")),
        ("metric_tags", ["user"], ("user",)),
        ("tags", "tenant=acme, path=a=b", {"tenant": "acme", "path": "a=b"}),
        ("tags", {"tenant": 7, "user": None}, {"tenant": "7"}),
        ("capture_content", True, "span_and_event"),
        ("capture_content", "SPAN_ONLY", "span_only"),
        ("prices", Path("prices.toml"), "prices.toml"),
    ],
)
def test_values_are_read(option: str, value: Any, read: Any) -> None:
    assert getattr(config.load({option: value}), option) == read


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("log_calls", "maybe"),
        ("prometheus_port", -1),
        ("prometheus_port", 65536),
        ("prometheus_port", True),
        ("prometheus_port", 80.5),
        ("prometheus_port", "²"),
        ("metric_label_sets", "0"),
        ("providers", 5),
        ("tags", "tenant"),
        ("tags", ["tenant"]),
        ("capture_content", "sometimes"),
        ("service_name", ""),
        ("on_call", "print"),
        ("meter_provider", "global"),
    ],
)
def test_wrong_values_are_refused_by_name_and_value(option: str, value: Any) -> None:
    assert problems({option: value}).startswith(f"instrument({option}=…) is {value!r}; expected ")


def test_the_newest_metrics_are_one_word_among_others() -> None:
    assert config.load({"semconv": "http, gen_ai_latest_experimental"}).newest_metrics
    assert not config.load({"semconv": "http"}).newest_metrics


def test_otlp_is_off_by_default() -> None:
    assert config.load({}).otlp is False
    assert config.load({}).exporters == {}


def test_otlp_that_is_asked_for_takes_every_signal() -> None:
    every = dict.fromkeys(SIGNALS, "http/protobuf")
    assert config.load({"otlp": True}).exporters == every


def test_an_endpoint_asks_for_otlp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    settings = config.load({})
    assert settings.otlp and set(settings.exporters) == set(SIGNALS)
    assert not config.load({"otlp": False}).otlp


def test_an_endpoint_of_one_signal_asks_for_that_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")
    assert config.load({}).exporters == {"traces": "http/protobuf"}


def test_signals_are_turned_off_and_sent_as_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "console,otlp_proto_http")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert config.load({"otlp": True}).exporters == {"traces": "grpc", "logs": "http/protobuf"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    assert config.load({"otlp": True}).exporters["traces"] == "http/protobuf"


def test_a_protocol_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    told = "environment variable OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'; expected http/protobuf or grpc"
    assert problems({"otlp": True}) == told
    assert config.load({}).exporters == {}


def test_disabled_instrumentations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "openai , groq")
    assert config.disabled_instrumentations() == {"openai", "groq"}


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert({trace_id})", "https://jaeger.example.com/trace/", "https://{trace_id}.example.com/",
        "https://a:b@jaeger.example.com/{trace_id}", "https://jaeger.example.com/{trace_id}/{secret}", "{trace_id}",
    ],
)  # fmt: skip
def test_where_traces_are_shown_is_an_address_with_a_place_for_the_id(address: str) -> None:
    with pytest.raises(ConfigurationError, match="trace_url.*expected an http or https URL with {trace_id} in it"):
        load_serve({"trace_url": address})
    good = "https://jaeger.example.com/trace/{trace_id}?uiFind={span_id}"
    assert load_serve({"trace_url": good}).trace_url == good
