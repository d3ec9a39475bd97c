"""The options of `instrument()`: each one's default, its environment variable, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from tollkeeper.config.reading import (
    Check,
    Option,
    boolean,
    function,
    names,
    pairs,
    port,
    positive,
    read_options,
    text,
    whole,
)
from tollkeeper.model import Limit
from tollkeeper.policy.presets import SEED_VARIABLES, limits_of_seed

ContentMode = Literal["no_content", "span_only", "event_only", "span_and_event"]

WhenFull = Literal["drop_oldest", "block"]
UntilKnown = Literal["allow", "deny"]

MEBIBYTE = 1 << 20
LEAST_ROOM = 64 * 1024
"""Bytes of a spool: less is no room for its segments."""

SHORTEST_HASH_KEY = 16

CONTENT_MODES: tuple[ContentMode, ...] = ("no_content", "span_only", "event_only", "span_and_event")
CONTENT_WORDS: Mapping[str, ContentMode] = {
    "true": "span_and_event",
    "1": "span_and_event",
    "false": "no_content",
    "0": "no_content",
    **{mode: mode for mode in CONTENT_MODES},
}


def _content(value: Any) -> ContentMode:
    word = str(value).strip().lower()
    if word in CONTENT_WORDS:
        return CONTENT_WORDS[word]
    raise ValueError(f"one of {', '.join(CONTENT_MODES)}, or true or false")


def _provider_of(what: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if callable(getattr(value, f"get_{what}", None)):
            return value
        raise ValueError(f"a {what} provider, with get_{what}()")

    return read


def _sidecar(value: Any) -> str:
    url = urlsplit(text(value))
    with suppress(ValueError):
        if url.scheme == "unix" and not url.netloc and url.path.startswith("/"):
            return text(value)
        if url.scheme in ("http", "https") and url.hostname and url.port != 0 and "@" not in url.netloc:
            return text(value)
    raise ValueError("http://HOST:PORT, https://HOST:PORT or unix:///PATH, without a user")


def _key(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and value.isprintable() and value and " " not in value:
        return value
    raise ValueError("a key of printable ASCII characters")


def _hash_key(value: Any) -> str:
    if isinstance(value, str) and len(value) >= SHORTEST_HASH_KEY:
        return value
    raise ValueError(f"a secret of {SHORTEST_HASH_KEY} characters at the least, the same in all processes")


def _policy(value: Any) -> Any:
    return value if hasattr(value, "limits") else text(value)


def _room(value: Any) -> int:
    number = whole(value)
    if number is not None and number >= LEAST_ROOM:
        return number
    raise ValueError(f"a whole number of bytes, {LEAST_ROOM} at the least")


def _when_full(value: Any) -> WhenFull:
    if value in ("drop_oldest", "block"):
        return value  # type: ignore[no-any-return]
    raise ValueError("drop_oldest or block")


def _until_known(value: Any) -> UntilKnown:
    if value in ("allow", "deny"):
        return value  # type: ignore[no-any-return]
    raise ValueError("allow or deny")


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
    on_alert: Callable[..., Any] | None = None
    log_calls: bool = False
    capture_content: ContentMode = "no_content"
    redact: Callable[[str], str] | None = None
    hash_prompts: str | None = field(default=None, repr=False)
    inject_usage: bool = True
    propagate_tags: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)
    semconv: str = ""
    otlp: bool = False
    sidecar: str | None = None
    sidecar_key: str | None = field(default=None, repr=False)
    report_keys: bool = True
    ledger: str | None = None
    spool: str | None = None
    spool_max_bytes: int = 256 * MEBIBYTE
    spool_when_full: WhenFull = "drop_oldest"
    policy: Any = None
    counters: str | None = None
    until_limits_known: UntilKnown = "allow"
    seed_limits: tuple[Limit, ...] = ()
    """What environment variables such as `MAX_REQUESTS_PER_MINUTE` ask for."""
    exporters: Mapping[str, str] = field(default_factory=dict)
    """The signals that OTLP is asked for, `traces`, `metrics` and `logs`, and the protocol of each."""

    @property
    def newest_metrics(self) -> bool:
        return "gen_ai_latest_experimental" in (word.strip() for word in self.semconv.split(","))


DEFAULTS = Settings()


OPTIONS = (
    Option("tracer_provider", _provider_of("tracer"), None, "The OTel tracer provider; the global one if not given."),
    Option("meter_provider", _provider_of("meter"), None, "The OTel meter provider; the global one if not given."),
    Option("logger_provider", _provider_of("logger"), None, "The OTel logger provider; the global one if not given."),
    Option("providers", names, "TOLLKEEPER_PROVIDERS",
           "The SDKs to watch, by name; all that are installed if not given."),
    Option("service_name", text, "OTEL_SERVICE_NAME",
           "The service's name: the tag `service` of calls that say none, and for what Tollkeeper itself sets up."),
    Option("prometheus", boolean, "TOLLKEEPER_PROMETHEUS",
           "Keep Prometheus metrics for `render_metrics()`, without a port of their own."),
    Option("prometheus_port", port, "TOLLKEEPER_PROMETHEUS_PORT",
           "Serve `/metrics` on this port; 0 takes a free one."),
    Option("prometheus_host", text, "TOLLKEEPER_PROMETHEUS_HOST", "The address that `/metrics` listens on."),
    Option("prices", text, "TOLLKEEPER_PRICES", "A TOML file with your own prices, aliases and discounts."),
    Option("tags", pairs, "TOLLKEEPER_TAGS", "Tags of every call: `tenant=acme,service=search`."),
    Option("metric_tags", names, "TOLLKEEPER_METRIC_TAGS",
           "The tags that become metric labels. `user` and `session` only if named here."),
    Option("metric_label_sets", positive, "TOLLKEEPER_METRIC_LABEL_SETS",
           "The most label sets of one counter; what comes after counts under `other`."),
    Option("on_call", function, None, "Called with each finished `Call`, on a thread of its own."),
    Option("on_alert", function, None,
           "Called with a `Crossing` when a limit has come to one of its percentages; may be async."),
    Option("log_calls", boolean, "TOLLKEEPER_LOG_CALLS",
           "Log one line a call at INFO, on the logger `tollkeeper.calls`."),
    Option("capture_content", _content, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
           "Put prompts and answers on spans, events or both. Off by default."),
    Option("redact", function, None, "Given each captured text before it is emitted; returns what to emit."),
    Option("hash_prompts", _hash_key, "TOLLKEEPER_HASH_PROMPTS",
           "Keep a keyed digest of each prompt, never its text, so that repeats can be found; this is the key.",
           is_secret=True),
    Option("inject_usage", boolean, "TOLLKEEPER_INJECT_USAGE",
           "Ask OpenAI-style chat streams for their usage, and hide the chunk that it comes in."),
    Option("propagate_tags", boolean, "TOLLKEEPER_PROPAGATE_TAGS", "Carry tags across services in OTel baggage."),
    Option("hosts", pairs, "TOLLKEEPER_HOSTS", "Provider names for hosts of your own: `llm.internal=vllm`."),
    Option("semconv", text, "OTEL_SEMCONV_STABILITY_OPT_IN",
           "`gen_ai_latest_experimental` switches to the newest metric families."),
    Option("otlp", boolean, "TOLLKEEPER_OTLP",
           "Set up OTLP export where no OTel provider is set up. By default for the signals whose endpoint an"
           " `OTEL_EXPORTER_OTLP_*` variable names."),
    Option("sidecar", _sidecar, "TOLLKEEPER_SIDECAR",
           "Send every finished call to this sidecar: `http://127.0.0.1:4318` or `unix:///path/tollkeeper.sock`."),
    Option("sidecar_key", _key, "TOLLKEEPER_SIDECAR_KEY", "The access key that the sidecar asks for.", is_secret=True),
    Option("report_keys", boolean, "TOLLKEEPER_REPORT_KEYS",
           "Tell the sidecar which providers' keys are set in the environment, by no more than their last four"
           " characters."),
    Option("ledger", text, "TOLLKEEPER_EMBEDDED_LEDGER",
           "Record every finished call in this database, without a sidecar: `sqlite:///usage.db`."),
    Option("spool", text, "TOLLKEEPER_SPOOL",
           "The folder where calls wait for the sidecar or the ledger; by default `~/.local/state/tollkeeper/spool`."),
    Option("spool_max_bytes", _room, "TOLLKEEPER_SPOOL_MAX_BYTES", "The most that the spool takes on the disk."),
    Option("spool_when_full", _when_full, "TOLLKEEPER_SPOOL_WHEN_FULL",
           "`drop_oldest` loses the oldest calls and counts them; `block` has calls wait for room."),
    Option("policy", _policy, "TOLLKEEPER_POLICY", "The limits of this app's calls: a TOML file, or a `Policy`."),
    Option("counters", text, "TOLLKEEPER_COUNTERS",
           "Where what was used of the limits is kept: `memory:` (this process), `sqlite:///FILE` (this host) or"
           " `redis://HOST:PORT/DB`. By default with the sidecar, if there is one, or else in memory."),
    Option("until_limits_known", _until_known, "TOLLKEEPER_UNTIL_LIMITS_KNOWN",
           "What becomes of calls before a sidecar whose policy holds has ever told it here: `allow` lets them go"
           " unlimited and uncounted, `deny` denies them."),
)  # fmt: skip

ENVIRONMENT_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
TABLE = "instrument"

SIGNALS = ("traces", "metrics", "logs")
OTLP_EXPORTERS = {"otlp": None, "otlp_proto_http": "http/protobuf", "otlp_proto_grpc": "grpc"}
"""What `OTEL_TRACES_EXPORTER` and its like may name for OTLP, and the protocol that the name settles."""
PROTOCOLS = ("http/protobuf", "grpc")


def load(
    given: Mapping[str, Any],
    config: str | os.PathLike[str] | None = None,
    checks: Mapping[str, Check] = MappingProxyType({}),
) -> Settings:
    """The settings: `given` over the environment, over the file `config` (or `TOLLKEEPER_CONFIG`), over the defaults.

    `checks` are further ones, by option. Raises `ConfigurationError` for unknown options and wrong values, all at once.
    """
    reading = read_options(OPTIONS, "instrument({})", TABLE, given, config, checks)
    values = reading.values
    if "otlp" not in reading.found or values.get("otlp"):
        values["exporters"] = exporters = _exporters("otlp" in reading.found, reading.problems)
        values["otlp"] = values.get("otlp", False) or bool(exporters)
    if values.get("sidecar") is not None and values.get("ledger") is not None:
        where = " and ".join(reading.found[name][0] for name in ("sidecar", "ledger"))
        reading.problems.append(f"{where}: expected one of them, as the sidecar has a ledger of its own")
    if (service := values.get("service_name")) is not None:
        values["tags"] = {"service": service, **values.get("tags", {})}
    values["seed_limits"] = _seed_limits(reading.problems)
    return Settings(**reading.check())


def _seed_limits(problems: list[str]) -> tuple[Limit, ...]:
    found = {name: os.environ[name] for name in SEED_VARIABLES if os.environ.get(name, "").strip()}
    if not found:
        return ()
    try:
        return limits_of_seed(found)
    except ValueError as mistakes:
        problems.extend(str(mistakes).splitlines())
        return ()


def state_folder() -> Path:
    """Where this user's programs keep what must survive them."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".local" / "state") / "tollkeeper"


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


COMPUTED = ("seed_limits", "exporters")
"""What no option says by itself."""

assert [option.name for option in OPTIONS] == [each.name for each in fields(Settings) if each.name not in COMPUTED]
