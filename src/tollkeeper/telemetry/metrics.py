"""Every metric that Tollkeeper emits: its name, unit, buckets and labels, each spelled once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LATENCY_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The conventions' advice for latencies."""

TOKEN_COUNTS = tuple(4.0**power for power in range(14))
"""The conventions' advice for token counts: 1, 4, 16 … 67108864."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One instrument. `buckets` are there for histograms only."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name that the OpenTelemetry-to-Prometheus translation gives it, without `_total`."""
        suffix = {"s": "_seconds", "usd": "_usd", "By": "_bytes"}.get(self.unit, "")
        name = self.name.replace(".", "_")
        return name if name.endswith(suffix) else name + suffix


TOKEN_USAGE = Metric(
    "gen_ai.client.token.usage", "histogram", "{token}", "Input and output tokens of a call.", TOKEN_COUNTS
)
OPERATION_DURATION = Metric(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    "How long a call took, retries and the reading of its stream included.",
    LATENCY_SECONDS,
)
TIME_TO_FIRST_CHUNK = Metric(
    "gen_ai.client.operation.time_to_first_chunk",
    "histogram",
    "s",
    "From the request to the first chunk of a streamed answer.",
    LATENCY_SECONDS,
)
TIME_PER_OUTPUT_CHUNK = Metric(
    "gen_ai.client.operation.time_per_output_chunk",
    "histogram",
    "s",
    "The mean time between the chunks of one streamed answer, after the first; one record a stream.",
    LATENCY_SECONDS,
)
INFERENCE_DURATION = Metric(
    "gen_ai.client.inference.duration", "histogram", "s", OPERATION_DURATION.description, LATENCY_SECONDS
)
INFERENCE_TIME_TO_FIRST_CHUNK = Metric(
    "gen_ai.client.inference.time_to_first_chunk", "histogram", "s", TIME_TO_FIRST_CHUNK.description, LATENCY_SECONDS
)
INFERENCE_TIME_PER_OUTPUT_CHUNK = Metric(
    "gen_ai.client.inference.time_per_output_chunk",
    "histogram",
    "s",
    TIME_PER_OUTPUT_CHUNK.description,
    LATENCY_SECONDS,
)
INFERENCE_INPUT = Metric(
    "gen_ai.client.inference.operation.input_tokens", "histogram", "{token}", "Input tokens of a call.", TOKEN_COUNTS
)
INFERENCE_OUTPUT = Metric(
    "gen_ai.client.inference.operation.output_tokens", "histogram", "{token}", "Output tokens of a call.", TOKEN_COUNTS
)
INFERENCE_USAGE_INPUT = Metric(
    "gen_ai.client.inference.usage.input_tokens", "counter", "{token}", "Input tokens, by modality."
)
INFERENCE_USAGE_OUTPUT = Metric(
    "gen_ai.client.inference.usage.output_tokens", "counter", "{token}", "Output tokens, by modality."
)
INFERENCE_USAGE_CACHE_READ = Metric(
    "gen_ai.client.inference.usage.cache_read.input_tokens", "counter", "{token}", "Input tokens read from a cache."
)
INFERENCE_USAGE_CACHE_WRITE = Metric(
    "gen_ai.client.inference.usage.cache_write.input_tokens", "counter", "{token}", "Input tokens written to a cache."
)
INFERENCE_USAGE_REASONING = Metric(
    "gen_ai.client.inference.usage.reasoning.output_tokens", "counter", "{token}", "Output tokens spent on reasoning."
)
COST = Metric("tollkeeper.cost", "counter", "usd", "What the priced calls cost, in US dollars.")
TOKENS = Metric("tollkeeper.tokens", "counter", "{token}", "Tokens by disjoint billable meter: they sum to the total.")
CALLS = Metric("tollkeeper.calls", "counter", "{call}", "Finished calls, failed ones included.")
UNPRICED_CALLS = Metric(
    "tollkeeper.unpriced_calls",
    "counter",
    "{call}",
    "Calls with usage but without a price: their cost is unknown, not zero.",
)
UNMEASURED_CALLS = Metric(
    "tollkeeper.unmeasured_calls",
    "counter",
    "{call}",
    "Answered calls whose usage the provider did not report in full, by who counted instead.",
)
DENIED_CALLS = Metric(
    "tollkeeper.denied_calls", "counter", "{call}", "Calls that were not sent, by the limit that had no room for them."
)
DEGRADED_CALLS = Metric(
    "tollkeeper.degraded_calls",
    "counter",
    "{call}",
    "Calls that were sent otherwise than asked for, by the step of the policy that changed them.",
)
FAULTS = Metric(
    "tollkeeper.faults", "counter", "{fault}", "Faults of the instrumentation itself, by the step that failed."
)
SPOOL_RECORDS = Metric(
    "tollkeeper.spool.records",
    "gauge",
    "{record}",
    "Finished calls that wait to be acknowledged by the sidecar or ledger.",
)
SPOOL_BYTES = Metric("tollkeeper.spool.bytes", "gauge", "By", "What the calls that wait take on the disk.")
SPOOL_DROPPED = Metric(
    "tollkeeper.spool.dropped",
    "counter",
    "{record}",
    "Finished calls that were lost, as the spool or the disk was full.",
)
SPOOL_REJECTED = Metric(
    "tollkeeper.spool.rejected", "counter", "{record}", "Finished calls that were refused for good; a file has them."
)
COUNTERS_AWAY = Metric(
    "tollkeeper.counters.away", "gauge", "1", "1 while the counters of the limits cannot be reached; else 0."
)
COUNTERS_UNANSWERED = Metric(
    "tollkeeper.counters.unanswered",
    "counter",
    "{call}",
    "Calls whose counters could not be asked: let go or denied, as their limits say.",
)
COUNTERS_KEPT = Metric(
    "tollkeeper.counters.kept", "gauge", "{call}", "Ended calls whose usage waits to be booked by the counters."
)
COUNTERS_DROPPED = Metric(
    "tollkeeper.counters.dropped",
    "counter",
    "{call}",
    "Ended calls whose usage the counters were never told: what was held for them is charged in full.",
)
LIMITS_UNKNOWN = Metric(
    "tollkeeper.limits.unknown",
    "gauge",
    "1",
    "1 until the sidecar has told its limits for the first time, and calls are let go or denied without; else 0.",
)

METRICS = (
    TOKEN_USAGE, OPERATION_DURATION, TIME_TO_FIRST_CHUNK, TIME_PER_OUTPUT_CHUNK,
    INFERENCE_DURATION, INFERENCE_TIME_TO_FIRST_CHUNK, INFERENCE_TIME_PER_OUTPUT_CHUNK,
    INFERENCE_INPUT, INFERENCE_OUTPUT, INFERENCE_USAGE_INPUT, INFERENCE_USAGE_OUTPUT,
    INFERENCE_USAGE_CACHE_READ, INFERENCE_USAGE_CACHE_WRITE, INFERENCE_USAGE_REASONING,
    COST, TOKENS, CALLS, UNPRICED_CALLS, UNMEASURED_CALLS, DENIED_CALLS, DEGRADED_CALLS,
    FAULTS,
    SPOOL_RECORDS, SPOOL_BYTES, SPOOL_DROPPED, SPOOL_REJECTED,
    COUNTERS_AWAY, COUNTERS_UNANSWERED, COUNTERS_KEPT, COUNTERS_DROPPED,
    LIMITS_UNKNOWN,
)  # fmt: skip

STATE_METRICS = (
    SPOOL_RECORDS, SPOOL_BYTES, SPOOL_DROPPED, SPOOL_REJECTED,
    COUNTERS_AWAY, COUNTERS_UNANSWERED, COUNTERS_KEPT, COUNTERS_DROPPED,
    LIMITS_UNKNOWN,
)  # fmt: skip
"""Of each process, and there only where it has a spool, shares its limits, or goes by a sidecar's."""

MODALITY_LABEL = "gen_ai.token.modality"
METER_LABEL = "tollkeeper.meter"
USAGE_SOURCE_LABEL = "tollkeeper.usage.source"
LIMIT_LABEL = "tollkeeper.limit.name"
STEP_LABEL = "tollkeeper.step"

OTHER = "other"
"""The label value that stands for all that came after a label set was full."""
