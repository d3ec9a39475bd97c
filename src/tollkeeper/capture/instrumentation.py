"""`instrument()` and `uninstrument()`: the only place of the app side that builds things."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from tollkeeper.capture import attribution, counting, limiting, setup, ship
from tollkeeper.capture.courier import Courier
from tollkeeper.capture.emit import Emitter
from tollkeeper.capture.patch import Patches, is_installed
from tollkeeper.capture.providers import PROVIDERS
from tollkeeper.capture.providers.services import name_hosts
from tollkeeper.capture.sinks import states
from tollkeeper.capture.sinks.callback import CallbackSink
from tollkeeper.capture.sinks.contract import Sink
from tollkeeper.capture.sinks.log import LogSink
from tollkeeper.capture.sinks.otel_events import EventSink
from tollkeeper.capture.sinks.otel_metrics import MetricsSink
from tollkeeper.config import Check, ConfigurationError, Settings
from tollkeeper.config import load as load_settings
from tollkeeper.model import Call, Status
from tollkeeper.model.health import Health
from tollkeeper.pricing import Catalog, Overlay

if TYPE_CHECKING:
    from tollkeeper.capture.gate import Gate
    from tollkeeper.capture.recurring import Recurring
    from tollkeeper.capture.sinks.spool import SpoolSink
    from tollkeeper.capture.thresholds import Crossing
    from tollkeeper.policy import Policy
    from tollkeeper.storage.spool import SpoolState

log = logging.getLogger("tollkeeper")

FORK_WAITS_SECONDS = 10.0
FIRST_LIMITS_SECONDS = 0.25
"""How long `instrument()` waits for the sidecar's limits; where they come later, `until_limits_known` holds."""

_lock = threading.Lock()
_current: Instrumentation | None = None
_courier: Courier | None = None
_loading: threading.Thread | None = None


class Instrumentation:
    """What `instrument()` gives back: a handle, and a context manager that uninstruments when it is left."""

    def __init__(
        self,
        settings: Settings,
        emitter: Emitter,
        patches: Patches,
        endpoint: setup.MetricsEndpoint | None,
        shipping: ship.Shipping | None,
        recurring: Sequence[Recurring],
    ) -> None:
        self.settings = settings
        self.metrics_url = endpoint.url if endpoint is not None else None
        self.holders = 0
        """How often `instrument()` has given this out: the last `with` block to be left uninstruments."""
        self._endpoint = endpoint
        self._emitter = emitter
        self._patches = patches
        self._shipping = shipping
        self._recurring = recurring

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until every finished call has reached `on_call`, and the sidecar or the ledger if there is one.

        False: not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        done = self._emitter.courier.flush(seconds)
        if self._shipping is None:
            return done
        return self._shipping.spool.flush(max(deadline - time.monotonic(), 0.0)) and done

    @property
    def spool(self) -> SpoolState | None:
        """What waits for the sidecar or the ledger, and what became of the rest; `None` where there is neither."""
        return self._shipping.spool.state if self._shipping is not None else None

    def render_metrics(self, accept: str = "") -> tuple[bytes, str]:
        """The Prometheus metrics as a body and its content type, to serve from a route of the app's own.

        `accept` is the scraper's `Accept` header. Needs `instrument(prometheus=True)`, or a port.
        """
        if self._endpoint is None:
            raise ConfigurationError("render_metrics() needs instrument(prometheus=True) or prometheus_port=…")
        return self._endpoint.sink.render(accept)

    @property
    def gate(self) -> Gate | None:
        """What admits the calls, if there are limits."""
        return self._emitter.gate

    def limits(self, **scope: str) -> list[Status]:
        """How the limits of `policy` stand that count for all, and for what `scope` names: `limits(tenant="acme")`."""
        return self._emitter.gate.statuses(scope) if self._emitter.gate is not None else []

    def health(self) -> list[Health]:
        """How each model has answered of late, the busiest first: in this process, or as the sidecar tells."""
        gate = self._emitter.gate
        return [] if gate is None else (gate.health or gate.fleet).read()

    @property
    def emergency(self) -> bool:
        """Whether there is an emergency. Raises `CountersUnavailable`."""
        return self._emitter.gate is not None and self._emitter.gate.is_emergency()

    def enter_emergency(self, by: str, reason: str) -> bool:
        """Begin an emergency, for all that share these counters. False: there is one, or the policy says nothing of it.

        Raises `CountersUnavailable`.
        """
        return self._emitter.gate is not None and self._emitter.gate.turn_emergency(True, by, reason)

    def leave_emergency(self, by: str, reason: str) -> bool:
        """End the emergency; only people do. False: there is none. Raises `CountersUnavailable`."""
        return self._emitter.gate is not None and self._emitter.gate.turn_emergency(False, by, reason)

    @property
    def policy(self) -> Policy | None:
        """The policy in force, if there is one."""
        return self._emitter.gate.policy if self._emitter.gate is not None else None

    @property
    def catalog(self) -> Catalog:
        """The prices that calls are priced with."""
        return self._emitter.catalog

    def uninstrument(self) -> None:
        """Give the SDKs their own functions back. Calls in flight are still recorded. Harmless when called again."""
        global _current
        with _lock:
            self._emitter.active = False
            self._patches.undo()
            if _current is self:
                _current = None
                attribution.propagate_in_baggage(False)
        self._emitter.courier.flush()
        for each in self._recurring:
            each.stop()
        if self._emitter.gate is not None:
            self._emitter.gate.close()
        if self._shipping is not None:
            self._shipping.spool.retire()
        for sink in self._emitter.sinks:
            if isinstance(sink, MetricsSink):
                sink.drain()
        if self._endpoint is not None:
            self._endpoint.close()

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.holders -= 1
        if self.holders <= 0:
            self.uninstrument()


def instrument(
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    logger_provider: Any = None,
    providers: Sequence[str] | None = None,
    service_name: str | None = None,
    prometheus: bool | None = None,
    prometheus_port: int | None = None,
    prometheus_host: str | None = None,
    prices: str | os.PathLike[str] | None = None,
    tags: Mapping[str, str] | None = None,
    metric_tags: Sequence[str] | None = None,
    metric_label_sets: int | None = None,
    on_call: Callable[[Call], object] | None = None,
    on_alert: Callable[[Crossing], object] | None = None,
    log_calls: bool | None = None,
    capture_content: bool | str | None = None,
    redact: Callable[[str], str] | None = None,
    hash_prompts: str | None = None,
    inject_usage: bool | None = None,
    propagate_tags: bool | None = None,
    hosts: Mapping[str, str] | None = None,
    semconv: str | None = None,
    otlp: bool | None = None,
    sidecar: str | None = None,
    sidecar_key: str | None = None,
    report_keys: bool | None = None,
    ledger: str | None = None,
    spool: str | os.PathLike[str] | None = None,
    spool_max_bytes: int | None = None,
    spool_when_full: str | None = None,
    policy: str | os.PathLike[str] | Policy | None = None,
    counters: str | None = None,
    until_limits_known: str | None = None,
    config_file: str | os.PathLike[str] | None = None,
) -> Instrumentation:
    """Watch every LLM call of this process, from now on. Called again, it changes nothing and returns the same handle.

    Every option can also come from the environment or from a TOML file; the README lists them. Raises
    `ConfigurationError`, naming every wrong option at once. Provider SDKs are not imported unless they are installed.
    """
    given = {name: value for name, value in locals().items() if name != "config_file"}
    settings = load_settings(given, config_file, CHECKS)
    with _lock:
        global _current
        if _current is None:
            _current = _build(settings)
        elif settings != _current.settings:
            log.warning("instrument() is in force already, with other options; those of this call have no effect")
        _current.holders += 1
        return _current


def current() -> Instrumentation | None:
    """What is in force now."""
    return _current


def uninstrument() -> None:
    """Undo `instrument()`. Harmless when there is nothing to undo."""
    if _current is not None:
        _current.uninstrument()


def _build(settings: Settings) -> Instrumentation:
    catalog = Catalog(_read_prices(settings.prices) if settings.prices is not None else None)
    otel = setup.providers(settings)
    endpoint = setup.metrics_endpoint(settings)
    shipping = _shipping(settings)
    spool = _spool_sink(shipping, otel)
    gate = limiting.gate(settings, catalog, _the_courier)
    if gate is not None and (guarded := gate.guarded) is not None:
        states.watch_counters(guarded, otel.meter)
    if endpoint is not None:
        endpoint.sink.read_states = states.read
    emitter = Emitter(
        otel.tracer,
        catalog,
        _sinks(settings, otel, endpoint, spool),
        EventSink(otel.event_logger) if otel.event_logger is not None else None,
        _the_courier(),
        setup.content(settings),
        spool,
        gate,
        setup.prompt_digest(settings),
    )
    attribution.propagate_in_baggage(settings.propagate_tags)
    name_hosts(settings.hosts)
    setup.warn_of_others()
    names = settings.providers or tuple(PROVIDERS)
    patches = Patches(emitter)
    for name in names:
        _watch(name, settings, patches)
    _load_in_background(catalog)
    if shipping is not None:
        shipping.spool.start()
    recurring = _with_sidecar(settings, catalog, gate, otel.meter)
    return Instrumentation(settings, emitter, patches, endpoint, shipping, recurring)


def _with_sidecar(
    settings: Settings, catalog: Catalog, gate: Gate | None, meter: metrics.Meter | None
) -> list[Recurring]:
    """What the sidecar is asked for and told now and then. Limits are waited for: the first calls come under them."""
    prices, limits = ship.price_feed(settings, catalog), limiting.policy_feed(settings, gate)
    health = limiting.health_feed(settings, gate)
    keys = ship.key_report(settings, setup.resource(settings)["service.name"])
    found: list[Recurring] = [each for each in (prices, limits, health, keys) if each is not None]
    for each in found:
        each.start()
    if limits is not None:
        states.watch_limits(limits, meter)
        if not limits.first(FIRST_LIMITS_SECONDS):
            limits.warn_if_unknown()
    return found


def _shipping(settings: Settings) -> ship.Shipping | None:
    spool = ship.spool(settings, setup.resource(settings))
    return ship.Shipping(spool, _the_courier()) if spool is not None else None


def _spool_sink(shipping: ship.Shipping | None, otel: setup.OTelProviders) -> SpoolSink | None:
    if shipping is None:
        return None
    from tollkeeper.capture.sinks.spool import SpoolSink  # noqa: PLC0415  only where a spool is asked for; needs flock

    states.watch_spool(shipping.spool, otel.meter)
    return SpoolSink(shipping.spool)


def _load_in_background(catalog: Catalog) -> None:
    """Import the price list now, so that the first call need not. A fork waits until that is done.

    A child that was forked in the middle of an import could never import that module: its lock would be held for ever
    by a thread that has stayed in the parent.
    """
    global _loading
    _loading = threading.Thread(target=catalog.load, name="tollkeeper-prices", daemon=True)
    _loading.start()


def _wait_for_loading() -> None:
    if _loading is not None:
        _loading.join(FORK_WAITS_SECONDS)


os.register_at_fork(before=_wait_for_loading)


def _the_courier() -> Courier:
    global _courier
    if _courier is None:
        _courier = Courier("tollkeeper-courier")
    return _courier


def _watch(name: str, settings: Settings, patches: Patches) -> None:
    """Have an SDK watched from the moment that the app imports it; until then nothing of ours about it is loaded."""
    package = PROVIDERS[name]
    if name in settings.providers and not is_installed(package):
        log.warning("provider %r was asked for, but its SDK %r is not installed", name, package)

    def add() -> None:
        adapter = importlib.import_module(f"tollkeeper.capture.providers.{name}").ADAPTER
        adapter.configure(settings)
        patches.add(adapter)

    patches.when_imported(package, add)


def _known_providers(names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in PROVIDERS]
    if unknown:
        raise ValueError(f"some of {', '.join(PROVIDERS)}, and not {', '.join(map(repr, unknown))}")


def _read_prices(path: str) -> Overlay:
    try:
        return Overlay.parse(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise ValueError(f"a file that can be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"a file in UTF-8: {error}") from None


CHECKS: Mapping[str, Check] = {
    "providers": _known_providers,
    "prices": _read_prices,
    "ledger": ship.check_ledger,
    "policy": limiting.check_policy,
    "counters": counting.check_counters,
}


def _sinks(
    settings: Settings, otel: setup.OTelProviders, endpoint: setup.MetricsEndpoint | None, spool: SpoolSink | None
) -> list[Sink]:
    # The spool comes first: what it has is safe, whatever the others do.
    sinks: list[Sink] = [spool] if spool is not None else []
    if otel.meter is not None:
        sinks.append(
            MetricsSink(
                otel.meter, settings.metric_tags, settings.metric_label_sets, settings.newest_metrics, _the_courier()
            )
        )
    if endpoint is not None:
        sinks.append(endpoint.sink)
    if settings.log_calls:
        sinks.append(LogSink())
    if settings.on_call is not None:
        sinks.append(CallbackSink(settings.on_call, _the_courier()))
    return sinks
