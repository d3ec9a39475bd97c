"""What Tollkeeper says of the calls, added up: it is `on_call`, which any app may have."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal

from tollkeeper.cli.demo.books import Books, Tokens
from tollkeeper.cli.demo.plan import RUNAWAY
from tollkeeper.model import Call
from tollkeeper.telemetry.attributes import STEPS

LIVE = "live"
"""The tenant of the one real call: the simulator knows nothing of it."""

Key = tuple[str, str]


@dataclass(slots=True)
class Row:
    """The calls of one tenant and model, or of all."""

    calls: int = 0
    streams: int = 0
    errors: int = 0
    unpriced: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    usd: Decimal = Decimal(0)
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    first_chunks: deque[float] = field(default_factory=lambda: deque(maxlen=2000))

    def add(self, call: Call) -> None:
        self.calls += 1
        self.streams += call.stream
        self.errors += call.error_type is not None
        self.unpriced += call.price_status == "unpriced"
        self.input += call.usage.input_tokens or 0
        self.cached += call.usage.cache_read_tokens or 0
        self.output += call.usage.output_tokens or 0
        if call.cost is not None:
            self.usd += call.cost.usd
        if call.duration is not None:
            self.durations.append(call.duration)
        if call.time_to_first_chunk is not None:
            self.first_chunks.append(call.time_to_first_chunk)


def error_name(call: Call) -> str:
    """A stream that broke off has a status too, but that of success."""
    is_refused = call.status_code is not None and call.status_code >= 400
    return f"{call.status_code} {call.error_type}" if is_refused else str(call.error_type)


def quantile(values: deque[float], share: float) -> float | None:
    """The value below which this share of the others lies; `None` of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Tally:
    """Everything that the demo shows. Written on Tollkeeper's thread, and read on ours, each under the lock."""

    def __init__(self, books: Books, recent: int = 20) -> None:
        self.lock = threading.Lock()
        self.books = books
        self.all = Row()
        self.by_model: dict[Key, Row] = {}
        self.by_feature: dict[str, Row] = {}
        self.runaway: dict[str, Row] = {}
        """The calls of the agent that ran away, by the last step of the ladder that changed them."""
        self.errors: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.cut_short: deque[Call] = deque(maxlen=recent)
        self.recent: deque[Call] = deque(maxlen=recent)
        self.abandoned = 0
        self.live: Call | None = None

    def __call__(self, call: Call) -> None:
        with self.lock:
            self._add(call)
        if call.usage_source == "provider" and call.response_id is not None and call is not self.live:
            usage = call.usage
            self.books.record(call.response_id, Tokens(usage.input_tokens or 0, usage.output_tokens or 0))

    def _add(self, call: Call) -> None:
        tenant = call.tags.get("tenant", "")
        if tenant == LIVE:
            self.live = call
        self.all.add(call)
        self.by_model.setdefault((tenant, call.request_model or ""), Row()).add(call)
        if call.tags.get("user") == RUNAWAY.user and call.tags.get("feature") == RUNAWAY.feature:
            steps = str(call.parameters.get(STEPS, ()))
            step = next((step for step in ("cap_output", "cheaper") if step in steps), "")
            self.runaway.setdefault(step, Row()).add(call)
        self.by_feature.setdefault(call.tags.get("feature", ""), Row()).add(call)
        self.recent.append(call)
        if call.error_type is not None:
            self.errors[error_name(call)] += 1
        self.abandoned += call.abandoned
        if call.error_type is None or call.usage.known:
            self.sources[call.usage_source] += 1
        if call.usage_source in ("estimated", "partial"):
            self.cut_short.append(call)
