"""Every option: its default, its environment variable, and how it is read. Nothing else reads the environment.

An option comes from the call of `instrument()`, else from the environment, else from the TOML file, else it has its
default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

ContentMode = Literal["no_content", "span_only", "event_only", "span_and_event"]

CONTENT_MODES: tuple[ContentMode, ...] = ("no_content", "span_only", "event_only", "span_and_event")
CONTENT_WORDS: Mapping[str, ContentMode] = {
    "true": "span_and_event",
    "1": "span_and_event",
    "false": "no_content",
    "0": "no_content",
    **{mode: mode for mode in CONTENT_MODES},
}


class ConfigurationError(ValueError):
    """One or more options are wrong. The message names each one, its value, its source, and what was expected."""


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("true or false")


def _text(value: Any) -> str:
    if isinstance(value, str | os.PathLike) and str(value):
        return os.fspath(value) if not isinstance(value, str) else value
    raise ValueError("a text that is not empty")


def _port(value: Any) -> int:
    number = _whole(value)
    if number is not None and 0 <= number <= 65535:
        return number
    raise ValueError("a port number from 0 (any free one) to 65535")


def _positive(value: Any) -> int:
    number = _whole(value)
    if number is not None and number > 0:
        return number
    raise ValueError("a whole number above zero")


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError("a list of names, or names with commas between them")


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        if all(name.strip() and separator for name, separator, _ in parts):
            return {name.strip(): text.strip() for name, _, text in parts}
    elif isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: str(text) for name, text in value.items() if text is not None}
    raise ValueError("a table of names and values, or name=value with commas between them")


def _content(value: Any) -> ContentMode:
    word = str(value).strip().lower()
    if word in CONTENT_WORDS:
        return CONTENT_WORDS[word]
    raise ValueError(f"one of {', '.join(CONTENT_MODES)}, or true or false")


def _callable(value: Any) -> Callable[..., Any]:
    if callable(value):
        return value  # type: ignore[no-any-return]
    raise ValueError("a callable")


def _provider_of(what: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if callable(getattr(value, f"get_{what}", None)):
            return value
        raise ValueError(f"a {what} provider, with get_{what}()")

    return read


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one `instrument()`, each checked. The defaults here are the options' defaults."""

    tracer_provider: Any = None
    meter_provider: Any = None
    logger_provider: Any = None
    providers: tuple[str, ...] = ()
    service_name: str | None = None
    prometheus: bool = False
    prometheus_port: int | None = None
    prometheus_host: str = "127.0.0.1"
    prices: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metric_tags: tuple[str, ...] = ("tenant", "project", "service", "feature", "config")
    metric_label_sets: int = 2000
    on_call: Callable[..., Any] | None = None
    log_calls: bool = False
    capture_content: ContentMode = "no_content"
    redact: Callable[[str], str] | None = None
    inject_usage: bool = True
    propagate_tags: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)
    semconv: str = ""
    otlp: bool = False
    exporters: Mapping[str, str] = field(default_factory=dict)
    """The signals that OTLP is asked for, `traces`, `metrics` and `logs`, and the protocol of each."""

    @property
    def newest_metrics(self) -> bool:
        return "gen_ai_latest_experimental" in (word.strip() for word in self.semconv.split(","))


DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `env` is its environment variable; without one it can only be given in Python."""

    name: str
    read: Callable[[Any], Any]
    env: str | None
    meaning: str

    @property
    def default(self) -> Any:
        return getattr(DEFAULTS, self.name)


OPTIONS = (
    Option("tracer_provider", _provider_of("tracer"), None, "The OTel tracer provider; the global one if not given."),
    Option("meter_provider", _provider_of("meter"), None, "The OTel meter provider; the global one if not given."),
    Option("logger_provider", _provider_of("logger"), None, "The OTel logger provider; the global one if not given."),
    Option("providers", _names, "TOLLKEEPER_PROVIDERS",
           "The SDKs to watch, by name; all that are installed if not given."),
    Option("service_name", _text, "OTEL_SERVICE_NAME", "The service's name, for what Tollkeeper itself sets up."),
    Option("prometheus", _boolean, "TOLLKEEPER_PROMETHEUS",
           "Keep Prometheus metrics for `render_metrics()`, without a port of their own."),
    Option("prometheus_port", _port, "TOLLKEEPER_PROMETHEUS_PORT",
           "Serve `/metrics` on this port; 0 takes a free one."),
    Option("prometheus_host", _text, "TOLLKEEPER_PROMETHEUS_HOST", "The address that `/metrics` listens on."),
    Option("prices", _text, "TOLLKEEPER_PRICES", "A TOML file with your own prices, aliases and discounts."),
    Option("tags", _pairs, "TOLLKEEPER_TAGS", "Tags of every call: `tenant=acme,service=search`."),
    Option("metric_tags", _names, "TOLLKEEPER_METRIC_TAGS",
           "The tags that become metric labels. `user` and `session` only if named here."),
    Option("metric_label_sets", _positive, "TOLLKEEPER_METRIC_LABEL_SETS",
           "The most label sets of one counter; what comes after counts under `other`."),
    Option("on_call", _callable, None, "Called with each finished `Call`, on a thread of its own."),
    Option("log_calls", _boolean, "TOLLKEEPER_LOG_CALLS",
           "Log one line a call at INFO, on the logger `tollkeeper.calls`."),
    Option("capture_content", _content, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
           "Put prompts and answers on spans, events or both. Off by default."),
    Option("redact", _callable, None, "Given each captured text before it is emitted; returns what to emit."),
    Option("inject_usage", _boolean, "TOLLKEEPER_INJECT_USAGE",
           "Ask OpenAI-style chat streams for their usage, and hide the chunk that it comes in."),
    Option("propagate_tags", _boolean, "TOLLKEEPER_PROPAGATE_TAGS", "Carry tags across services in OTel baggage."),
    Option("hosts", _pairs, "TOLLKEEPER_HOSTS", "Provider names for hosts of your own: `llm.internal=vllm`."),
    Option("semconv", _text, "OTEL_SEMCONV_STABILITY_OPT_IN",
           "`gen_ai_latest_experimental` switches to the newest metric families."),
    Option("otlp", _boolean, "TOLLKEEPER_OTLP",
           "Set up OTLP export where no OTel provider is set up. By default for the signals whose endpoint an"
           " `OTEL_EXPORTER_OTLP_*` variable names."),
)  # fmt: skip

ENVIRONMENT_CONFIG = "TOLLKEEPER_CONFIG"
ENVIRONMENT_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
TABLE = "instrument"

SIGNALS = ("traces", "metrics", "logs")
OTLP_EXPORTERS = {"otlp": None, "otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc"}
"""What `OTEL_TRACES_EXPORTER` and its like may name for OTLP, and the protocol that the name settles."""
PROTOCOLS = ("http/protobuf", "grpc")

Found = tuple[str, Any]
"""Where an option was found, in words, and its raw value."""


Check = Callable[[Any], object]
"""Raises `ValueError`, saying what was expected, for a value of the right type that is wrong all the same."""


def load(
    given: Mapping[str, Any],
    config: str | os.PathLike[str] | None = None,
    checks: Mapping[str, Check] = MappingProxyType({}),
) -> Settings:
    """The settings: `given` over the environment, over the file `config` (or `TOLLKEEPER_CONFIG`), over the defaults.

    `checks` are further ones, by option. Raises `ConfigurationError` for unknown options and wrong values, all at once.
    """
    problems: list[str] = []
    path = config or os.environ.get(ENVIRONMENT_CONFIG)
    table = _read_file(path, problems) if path else {}
    known = [option.name for option in OPTIONS]
    for where, names in (("instrument()", given), (f"{path} [{TABLE}]", table)):
        problems += [f"{where}: {name!r} is no option; {_instead(name, known)}" for name in names if name not in known]
    found = {option.name: _find(option, given, table, path) for option in OPTIONS}
    values = {option.name: _value(option, found[option.name], checks.get(option.name), problems) for option in OPTIONS}
    if found["otlp"] is None or values["otlp"]:
        values["exporters"] = exporters = _exporters(found["otlp"] is not None, problems)
        values["otlp"] = values["otlp"] or bool(exporters)
    if problems:
        raise ConfigurationError("; ".join(problems))
    return Settings(**values)


def _instead(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _find(option: Option, given: Mapping[str, Any], table: Mapping[str, Any], path: Any) -> Found | None:
    if given.get(option.name) is not None:
        return f"instrument({option.name}=…)", given[option.name]
    if option.env is not None and os.environ.get(option.env, "").strip():
        return f"environment variable {option.env}", os.environ[option.env]
    if option.name in table:
        return f"{path} [{TABLE}] {option.name}", table[option.name]
    return None


def _value(option: Option, found: Found | None, check: Check | None, problems: list[str]) -> Any:
    if found is None:
        return option.default
    where, value = found
    try:
        read = option.read(value)
        if check is not None:
            check(read)
        return read
    except ValueError as expected:
        problems.append(f"{where} is {value!r}; expected {expected}")
        return option.default


def _exporters(asked: bool, problems: list[str]) -> dict[str, str]:
    """The signals that leave by OTLP, and how, as the `OTEL_*` variables say. Not asked for: those with an endpoint."""
    found = {}
    for signal in SIGNALS:
        own = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
        endpoint = os.environ.get(f"{own}_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        names = (os.environ.get(f"OTEL_{signal.upper()}_EXPORTER") or "otlp").split(",")
        chosen = [name.strip() for name in names if name.strip() in OTLP_EXPORTERS]
        if not chosen or not (asked or endpoint):
            continue
        variable = f"{own}_PROTOCOL" if os.environ.get(f"{own}_PROTOCOL") else "OTEL_EXPORTER_OTLP_PROTOCOL"
        protocol = OTLP_EXPORTERS[chosen[0]] or os.environ.get(variable) or PROTOCOLS[0]
        problem = f"environment variable {variable} is {protocol!r}; expected {' or '.join(PROTOCOLS)}"
        if protocol not in PROTOCOLS and problem not in problems:
            problems.append(problem)
        found[signal] = protocol
    return found


def disabled_instrumentations() -> frozenset[str]:
    """The OpenTelemetry instrumentations that are turned off, by the name of their entry point; `*` for all."""
    return frozenset(name.strip() for name in os.environ.get(ENVIRONMENT_DISABLED, "").split(","))


def _read_file(path: str | os.PathLike[str], problems: list[str]) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        problems.append(f"{os.fspath(path)}: cannot be read: {error.strerror or error}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{os.fspath(path)}: is not TOML: {error}")
        return {}
    table = document.get(TABLE, {})
    if not isinstance(table, dict):
        problems.append(f"{os.fspath(path)}: {TABLE!r} is {table!r}; expected a table [{TABLE}]")
        return {}
    return table


assert [option.name for option in OPTIONS] == [each.name for each in fields(Settings) if each.name != "exporters"]
