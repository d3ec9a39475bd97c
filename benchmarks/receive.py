"""What decoding costs: microseconds a record, from an OTLP body to what the pipeline is given.

    python benchmarks/receive.py [--records 500] [--rounds 30]

Each round takes every case once, so that what else the machine does falls on all of them alike. The floor beside it is
what no decoder can go below: protobuf's or json's own parse, with nothing made of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tollkeeper import Call, Cost, LineItem, Usage
from tollkeeper.sidecar.receive import from_json, from_protobuf
from tollkeeper.sidecar.receive.expand import write_value
from tollkeeper.telemetry import event, record
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import CALL_EVENT

Case = Callable[[], object]


def call(number: int) -> Call:
    """A call as an app reports it: priced, with three line items and three tags."""
    items = (
        LineItem("input", 500, Decimal("1.5E-7"), Decimal("0.000075")),
        LineItem("cache_read", 500, Decimal("7.5E-8"), Decimal("0.0000375")),
        LineItem("output", 200, Decimal("6E-7"), Decimal("0.00012")),
    )
    return Call(
        id=f"0192f0a0-0000-7000-8000-{number:012x}",
        provider="openai",
        operation="chat",
        started_at=1_764_000_000_000_000_000 + number,
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini-2024-07-18",
        response_id=f"chatcmpl-{number}",
        endpoint="api.openai.com/v1/chat/completions",
        server_address="api.openai.com",
        server_port=443,
        duration=0.8123,
        finish_reasons=("stop",),
        service_tier="default",
        tags={"tenant": "acme", "user": f"u-{number % 50}", "feature": "match_pattern"},
        usage_source="provider",
        usage=Usage(1000, 200, 500),
        status_code=200,
        price_status="priced",
        cost=Cost(Decimal("0.0002325"), "catalog", items, "genai-prices 0.2.3"),
        trace_id="a1" * 16,
        span_id="b2" * 8,
        parameters={"gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": 400},
    )


def own_records(count: int, form: str) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in range(count):
        one = records.add(time_unix_nano=1)
        if form == "record":
            one.event_name, one.body.string_value = CALL_EVENT, record.encode(call(number))
        else:
            one.event_name = EVENT_NAME
            for name, value in event.encode(call(number)).items():
                write_value(one.attributes.add(key=name).value, value)
    return request


def spans(count: int, prefix: str) -> ExportTraceServiceRequest:
    """Spans of 25 attributes each: a third of them numbers, the rest short texts."""
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        span = scope_spans.spans.add(name="chat", trace_id=number.to_bytes(16), span_id=number.to_bytes(8))
        for at in range(25):
            write_value(span.attributes.add(key=f"{prefix}attribute_{at}").value, at if at % 3 == 0 else f"value {at}")
    return request


def spans_as_json(request: ExportTraceServiceRequest) -> bytes:
    found = json.loads(json_format.MessageToJson(request))
    for number, span in enumerate(found["resourceSpans"][0]["scopeSpans"][0]["spans"]):
        span["traceId"], span["spanId"] = f"{number:032x}", f"{number:016x}"
    return json.dumps(found).encode()


def cases(count: int) -> dict[str, tuple[Case, Case]]:
    """Each with its floor."""
    records, events = own_records(count, "record"), own_records(count, "event")
    genai, others = spans(count, "gen_ai."), spans(count, "http.")
    found: dict[str, tuple[Case, Case]] = {}

    def add(name: str, signal: Any, request: Any, as_json: bytes | None = None) -> None:
        if as_json is None:
            body, parse = request.SerializeToString(), type(request).FromString
            found[name] = (lambda: from_protobuf.read(signal, body), lambda: parse(body))
        else:
            found[name] = (lambda: from_json.read(signal, as_json), lambda: json.loads(as_json))

    add("own record, protobuf", "logs", records)
    add("own record, JSON", "logs", records, json_format.MessageToJson(records, indent=None).encode())
    add("own event, protobuf", "logs", events)
    add("GenAI span, protobuf", "traces", genai)
    add("GenAI span, JSON", "traces", genai, spans_as_json(genai))
    add("other span, protobuf", "traces", others)
    texts = [record.encode(call(number)) for number in range(count)]
    found["(decode alone)"] = (
        lambda: [decode(text) for text in texts],
        lambda: [json.loads(text) for text in texts],
    )
    return found


def timed(case: Case) -> float:
    begin = perf_counter()
    case()
    return perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=500, help="in one body (default: 500)")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    found = cases(options.records)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(options.rounds):
        for name, (read, floor) in found.items():
            taken[name].append((timed(read), timed(floor)))
    print(f"µs a record, {options.records} in a body: median (least) of {options.rounds} rounds\n")
    print(f"| {'':24} | {'decoded':>14} | {'parsed only':>14} |")
    print(f"| {'---':24} | {'---:':>14} | {'---:':>14} |")
    for name, pairs in taken.items():
        cells = []
        for column in zip(*pairs, strict=True):
            micro = [one / options.records * 1e6 for one in column]
            cells.append(f"{median(micro):.1f} ({min(micro):.1f})")
        print(f"| {name:24} | {cells[0]:>14} | {cells[1]:>14} |")


if __name__ == "__main__":
    main()
