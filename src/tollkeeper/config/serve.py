"""The options of `tollkeeper serve`: each one's default, its environment variable, and how it is read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tollkeeper.config.reading import Option, boolean, pairs, port, positive, read_options, text

TABLE = "sidecar"

MEBIBYTE = 1 << 20

HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
PLACEHOLDER = re.compile(r"\{([^}]*)\}")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The options of one sidecar, each checked. The defaults here are the options' defaults."""

    host: str = "127.0.0.1"
    port: int = 4318
    grpc_port: int | None = 4317
    socket: str | None = None
    ledger: str = "sqlite:///tollkeeper.db"
    counters: str | None = None
    policy: str | None = None
    channels: str | None = None
    invoices: str | None = None
    public_url: str | None = None
    trace_url: str | None = None
    forecast_alert: float = 0.8
    workers: int = 1
    require_keys: bool | None = None
    forward: str | None = None
    forward_headers: Mapping[str, str] | None = field(default=None, repr=False)
    max_body_bytes: int = 64 * MEBIBYTE
    max_waiting: int = 20_000
    metric_label_sets: int = 2000
    retention_days: int | None = None
    report_fonts: tuple[str, ...] = ()
    log_level: str = "info"
    set_by: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each option that is no default was set, in words."""

    @property
    def open_on_loopback(self) -> bool:
        """Whether requests from this machine need no key: the embedded form, that nobody else can reach."""
        return self.require_keys is None and self.listens_on_loopback

    @property
    def open_to_all(self) -> bool:
        """Whether nobody needs a key, wherever a request is from."""
        return self.require_keys is False

    @property
    def counters_url(self) -> str | None:
        """Where the counters are kept: as `counters` says, else a file beside a ledger that is one itself."""
        if self.counters is not None:
            return self.counters
        path, _, _ = self.ledger.partition("?")
        scheme, _, file = path.partition(":///")
        if not scheme.startswith("sqlite") or not file or file == ":memory:":
            return None
        return f"sqlite:///{file.removesuffix('.db')}-counters.db"

    @property
    def counters_are_elsewhere(self) -> bool:
        """Whether they are asked over a network."""
        return self.counters_url is not None and not self.counters_url.startswith(("sqlite:", "memory:"))

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return self.host in ("127.0.0.1", "::1", "localhost")


SERVE_DEFAULTS = ServeSettings()


def _port_or_none(value: Any) -> int | None:
    return None if value in ("", "off", "none", False) else port(value)


def _counters(value: Any) -> str:
    schemes = ("memory", "sqlite", "redis", "rediss", "valkey", "valkeys", "unix")
    if ":" in text(value) and text(value).partition(":")[0].lower() in schemes:
        return text(value)
    raise ValueError("memory:, sqlite:///FILE or redis://HOST:PORT/DB")


def _paths(value: Any) -> tuple[str, ...]:
    paths = value if isinstance(value, list | tuple) else text(value).split(os.pathsep)
    if not all(isinstance(path, str) and Path(path).is_file() for path in paths):
        raise ValueError("files that are there, a list of them or with ':' between them")
    return tuple(paths)


def _level(value: Any) -> str:
    if value in ("debug", "info", "warning", "error"):
        return str(value)
    raise ValueError("debug, info, warning or error")


def _endpoint(value: Any) -> str:
    """A URL without a user: nothing would be sent of it, and it is shown here and there."""
    expected = "an http or https URL with a host and without a user: credentials go into forward_headers"
    try:
        parts = urlsplit(text(value))
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if not is_good or "@" in parts.netloc:
        raise ValueError(expected)
    return text(value)


def _address(value: Any) -> str:
    try:
        return _endpoint(value).rstrip("/")
    except ValueError:
        raise ValueError("an http or https URL with a host and without a user") from None


def _trace_address(value: Any) -> str:
    expected = "an http or https URL with {trace_id} in it, behind its host"
    try:
        address = _endpoint(value)
    except ValueError:
        raise ValueError(expected) from None
    said = PLACEHOLDER.findall(address)
    if "trace_id" not in said or not set(said) <= {"trace_id", "span_id"} or "{" in urlsplit(address).netloc:
        raise ValueError(expected)
    return address


def _probability(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if isinstance(value, bool) or not 0.5 <= found <= 1:
        raise ValueError("a number from 0.5 to 1")
    return found


def _headers(value: Any) -> dict[str, str]:
    """As in OTEL_EXPORTER_OTLP_HEADERS: what stands in a text is percent-encoded where it has to be."""
    try:
        headers = pairs(value)
    except ValueError:
        raise ValueError("a table of headers, or name=value with commas between them") from None
    if isinstance(value, str):
        headers = {unquote(name): unquote(content) for name, content in headers.items()}
    for name, content in headers.items():
        if not HEADER.fullmatch(name) or name.lower().startswith("content-") or not HEADER_VALUE.fullmatch(content):
            raise ValueError("headers of HTTP, of one line each; those of the content are set by the sidecar")
    return headers


SERVE_OPTIONS = (
    Option("host", text, "TOLLKEEPER_HOST", "The address to listen on. Beyond loopback, every request needs a key."),
    Option("port", port, "TOLLKEEPER_PORT", "For OTLP over HTTP, the API and `/metrics`; 0 takes a free one."),
    Option("grpc_port", _port_or_none, "TOLLKEEPER_GRPC_PORT", "For OTLP over gRPC; `off` for none."),
    Option("socket", text, "TOLLKEEPER_SOCKET", "The path of a unix socket to listen on as well."),
    Option("ledger", text, "TOLLKEEPER_LEDGER", "The database: `sqlite:///FILE` or `postgresql://HOST/NAME`."),
    Option("counters", _counters, "TOLLKEEPER_SERVE_COUNTERS",
           "Where what was used of the limits is kept: `sqlite:///FILE`, `redis://HOST:PORT/DB` (for several sidecars)"
           " or `memory:` (of one worker). By default a file beside a ledger of SQLite; with PostgreSQL, nowhere."),
    Option("policy", text, "TOLLKEEPER_SERVE_POLICY",
           "A file of limits, TOML or JSON, put in force at each start, over what was set since, but for quotas."),
    Option("channels", text, "TOLLKEEPER_CHANNELS", "A TOML file of the channels that alerts are told on."),
    Option("invoices", text, "TOLLKEEPER_INVOICES",
           "A TOML file of accounts at providers, whose own figures the ledger is compared with each day."),
    Option("public_url", _address, "TOLLKEEPER_PUBLIC_URL",
           "Where people reach this sidecar, such as `https://tollkeeper.example.com`: messages link to it."),
    Option("trace_url", _trace_address, "TOLLKEEPER_TRACE_URL",
           "Where a trace is shown, such as `https://jaeger.example.com/trace/{trace_id}`: the page links to it."
           " `{span_id}` can be in it too."),
    Option("forecast_alert", _probability, "TOLLKEEPER_FORECAST_ALERT",
           "How probable it must be that a limit is used up before its period ends for people to be told."),
    Option("workers", positive, "TOLLKEEPER_WORKERS", "Processes that share the ports and the ledger."),
    Option("require_keys", boolean, "TOLLKEEPER_REQUIRE_KEYS",
           "Ask for a key on loopback too (true), or nobody, not even beyond it (false, behind a proxy that does)."),
    Option("forward", _endpoint, "TOLLKEEPER_FORWARD",
           "An OTLP/HTTP endpoint that everything received is sent on to.", is_secret=True),
    Option("forward_headers", _headers, "TOLLKEEPER_FORWARD_HEADERS",
           "What is sent along to it, such as credentials: a table, or `name=value,name=value`.", is_secret=True),
    Option("max_body_bytes", positive, "TOLLKEEPER_MAX_BODY_BYTES",
           "The largest request that is taken, after decompression."),
    Option("max_waiting", positive, "TOLLKEEPER_MAX_WAITING",
           "Records that may wait to be written before senders are asked to come back: about 100 MB."),
    Option("metric_label_sets", positive, "TOLLKEEPER_METRIC_LABEL_SETS",
           "The most label sets on `/metrics`; what comes after counts under `other`."),
    Option("retention_days", positive, "TOLLKEEPER_RETENTION_DAYS",
           "How long single calls are kept; for ever if not given. Their sums always are."),
    Option("report_fonts", _paths, "TOLLKEEPER_REPORT_FONTS",
           "TrueType files, a list or with `:` between them, for letters in PDFs that DejaVu Sans has not."),
    Option("log_level", _level, "TOLLKEEPER_LOG_LEVEL", "`debug`, `info`, `warning` or `error`."),
)  # fmt: skip


def load_serve(given: Mapping[str, Any], config: str | os.PathLike[str] | None = None) -> ServeSettings:
    """The settings: `given` over the environment, over the file's table `[sidecar]`, over the defaults.

    Raises `ConfigurationError` for unknown options and wrong values, all at once.
    """
    reading = read_options(SERVE_OPTIONS, "tollkeeper serve {}", TABLE, given, config)
    if str(reading.values.get("counters")).startswith("memory:") and reading.values.get("workers", 1) > 1:
        where = reading.found["counters"][0]
        reading.problems.append(f"{where} is 'memory:'; expected counters that all workers share: sqlite:… or redis:…")
    set_by = {name: f"tollkeeper serve {_flag(name)}" if given.get(name) is not None else where
              for name, (where, _) in reading.found.items()}  # fmt: skip
    return ServeSettings(**reading.check(), set_by=set_by)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


assert [option.name for option in SERVE_OPTIONS] == [each.name for each in fields(ServeSettings)][:-1]
