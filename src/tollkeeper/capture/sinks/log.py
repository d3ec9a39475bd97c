"""One line a call, in the application's own log."""

from __future__ import annotations

import logging

from opentelemetry.context import Context

from tollkeeper.model import Call

log = logging.getLogger("tollkeeper.calls")


class LogSink:
    """One line a call at INFO: `analyze_edge_case | 1250 tokens | $0.018750 | 1523 ms`. Never keys, never content."""

    name = "log"

    def record(self, call: Call, context: Context | None) -> None:
        usage = call.usage
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        log.info(
            "%s | %s | %s | %.0f ms",
            call.tags.get("feature") or f"{call.operation} {call.request_model or ''}".rstrip(),
            "tokens unknown" if usage.input_tokens is None and usage.output_tokens is None else f"{tokens} tokens",
            f"${call.cost.usd:.6f}" if call.cost is not None else call.error_type or "cost unknown",
            (call.duration or 0) * 1000,
        )
