"""OTLP JSON, sorted into a harvest as `from_protobuf` does it, and of the same meaning.

Read by hand: protobuf's own JSON reader takes hexadecimal ids for base64, and is many times slower. Ids are
hexadecimal, whole numbers of 64 bits may be texts, and fields that are not known are passed over. Metrics are counted
and not used.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tollkeeper.sidecar.receive import own
from tollkeeper.sidecar.receive.body import Malformed
from tollkeeper.sidecar.receive.from_protobuf import ERROR_SEVERITY, ERROR_STATUS, LARGEST
from tollkeeper.sidecar.receive.harvest import UNREADABLE, Harvest
from tollkeeper.sidecar.receive.json_text import Clean, load, storable
from tollkeeper.sidecar.receive.kinship import PREFIXES, is_kin
from tollkeeper.sidecar.receive.signals import SIGNALS, Signal, SignalName
from tollkeeper.telemetry.attributes import CALL_ID, EVENT_NAME
from tollkeeper.telemetry.emission import Emission
from tollkeeper.telemetry.record import CALL_EVENT, LOST_EVENT, STARTED_EVENT

Object = dict[str, Any]

TRACE_ID = re.compile(r"[0-9a-fA-F]{32}").fullmatch
SPAN_ID = re.compile(r"[0-9a-fA-F]{16}").fullmatch
DATA_KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
URL_SAFE = str.maketrans("-_", "+/")
LONGEST_NUMBER = 20
DEEPEST = 100
"""How far values may nest: as far as protobuf lets them."""


def read(signal: SignalName, data: bytes) -> Harvest:
    """What a request brought. A broken record is rejected alone; raises `Malformed` where none can be told apart."""
    kind = SIGNALS[signal]
    harvest = Harvest(kind.noun)
    request, clean = load(data)
    if type(request) is not dict:
        raise Malformed("the body is no OTLP: a JSON object was expected")
    READERS[signal](_records(kind, request, clean, harvest), harvest)
    return harvest


def _records(kind: Signal, request: Object, clean: Clean | None, harvest: Harvest) -> Iterator[_Record]:
    """Each record, numbered. Where a list or an object was expected and is not there, that counts as one record."""
    outer, middle, inner = kind.nesting_json
    at = 0
    for resource_part in _objects(request, outer, harvest, 0):
        resource = _Resource(resource_part, clean)
        for scope_part in _objects(resource_part, middle, harvest, at):
            scope = resource.text_of(scope_part.get("scope"))
            records = scope_part.get(inner)
            if records is not None and type(records) is not list:
                harvest.reject(at, f"{inner} is no list")
                continue
            for record in records or ():
                try:
                    if type(record) is not dict:
                        raise ValueError("it is no object")
                    yield at, record if clean is None else clean(record), scope, resource
                except UNREADABLE as error:
                    harvest.reject(at, error)
                at += 1


def _objects(parent: Object, name: str, harvest: Harvest, at: int) -> Iterator[Object]:
    found = parent.get(name)
    if found is None:
        return
    if type(found) is not list:
        harvest.reject(at, f"{name} is no list")
        return
    for item in found:
        if type(item) is dict:
            yield item
        else:
            harvest.reject(at, f"an item of {name} is no object")


def _logs(records: Iterable[_Record], harvest: Harvest) -> None:
    for at, record, scope, resource in records:
        try:
            _log(record, scope, resource, harvest)
        except UNREADABLE as error:
            harvest.reject(at, error)


def _log(record: Object, scope: str, resource: _Resource, harvest: Harvest) -> None:
    name = record.get("eventName") or ""
    if name == CALL_EVENT:
        harvest.calls.append(own.entry(record["body"]["stringValue"]))
        return
    if name == STARTED_EVENT:
        harvest.started.append(own.started(record["body"]["stringValue"]))
        return
    if name == LOST_EVENT:
        harvest.lost.update([own.lost(record["body"]["stringValue"])])
        return
    pairs = record.get("attributes") or ()
    if not name:
        name = next((pair["value"].get("stringValue", "") for pair in pairs if pair.get("key") == "event.name"), "")
    if not (_speaks(pairs) or is_kin(scope, name)):
        harvest.ignored += 1
        return
    attributes = read_attributes(pairs)
    if name == EVENT_NAME and CALL_ID in attributes:
        harvest.calls.append(own.entry_of_event(attributes))
        return
    moment = _moment(record.get("timeUnixNano")) or _moment(record.get("observedTimeUnixNano"))
    trace_id, span_id = record.get("traceId") or "", record.get("spanId") or ""
    traced = TRACE_ID(trace_id) is not None and SPAN_ID(span_id) is not None
    body = record.get("body")
    harvest.emissions.append(
        Emission(
            "event", _text(name), scope, attributes, resource.attributes(), None if body is None else read_value(body),
            trace_id.lower() if traced else "", span_id.lower() if traced else "", "",
            moment, moment, 0, _whole(record.get("severityNumber")) >= ERROR_SEVERITY,
        )
    )  # fmt: skip


def _spans(records: Iterable[_Record], harvest: Harvest) -> None:
    strangers: list[tuple[str, _Record]] = []
    traces: set[str] = set()
    for one in records:
        at, span, scope, resource = one
        try:
            trace_id = _id(TRACE_ID, span.get("traceId"), "traceId")
            if _speaks(span.get("attributes") or ()) or is_kin(scope, _text(span.get("name"))):
                harvest.emissions.append(_span(span, trace_id, scope, resource))
                traces.add(trace_id)
            else:
                _id(SPAN_ID, span.get("spanId"), "spanId")
                strangers.append((trace_id, one))
        except UNREADABLE as error:
            harvest.reject(at, error)
    for trace_id, (at, span, scope, resource) in strangers:
        # It may be the parent that nests two of them.
        if trace_id not in traces:
            harvest.ignored += 1
            continue
        try:
            harvest.emissions.append(_span(span, trace_id, scope, resource))
        except UNREADABLE as error:
            harvest.reject(at, error)


def _span(span: Object, trace_id: str, scope: str, resource: _Resource) -> Emission:
    parent = span.get("parentSpanId")
    return Emission(
        "span",
        _text(span.get("name")),
        scope,
        read_attributes(span.get("attributes") or ()),
        resource.attributes(),
        None,
        trace_id,
        _id(SPAN_ID, span.get("spanId"), "spanId"),
        _id(SPAN_ID, parent, "parentSpanId") if parent else "",
        _moment(span.get("startTimeUnixNano")),
        _moment(span.get("endTimeUnixNano")),
        _whole(span.get("kind")),
        _whole((span.get("status") or {}).get("code")) == ERROR_STATUS,
        tuple([
            (_text(event.get("name")), read_attributes(event.get("attributes") or ()))
            for event in span.get("events") or ()
        ]),
    )  # fmt: skip


def _metrics(records: Iterable[_Record], harvest: Harvest) -> None:
    for at, metric, _, _ in records:
        try:
            for kind in DATA_KINDS:
                points = (metric.get(kind) or {}).get("dataPoints") or ()
                if any(type(point) is not dict for point in points):
                    raise ValueError("a data point is no object")
                harvest.ignored += len(points)
        except UNREADABLE as error:
            harvest.reject(at, error)


READERS: dict[SignalName, Callable[[Iterable[_Record], Harvest], None]] = {
    "logs": _logs,
    "traces": _spans,
    "metrics": _metrics,
}


class _Resource:
    """The attributes of a resource, read when first asked for. Raises then, for each record, if they are broken."""

    __slots__ = ("_clean", "_found", "_part")

    def __init__(self, part: Object, clean: Clean | None) -> None:
        self._part, self._clean = part, clean
        self._found: Object | None = None

    def attributes(self) -> Object:
        if self._found is None:
            pairs = (self._part.get("resource") or {}).get("attributes") or ()
            self._found = read_attributes(pairs if self._clean is None else self._clean(pairs))
        return self._found

    def text_of(self, scope: Any) -> str:
        """The scope's name; nothing, if it is not told, or unreadable."""
        name = scope.get("name") if type(scope) is dict else None
        if type(name) is not str:
            return ""
        return name if self._clean is None else str(storable(name))


_Record = tuple[int, Object, str, _Resource]


def _speaks(pairs: Iterable[Any]) -> bool:
    return any((pair.get("key") or "").startswith(PREFIXES) for pair in pairs)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        raise ValueError(f"a text was expected, not {value!r}")
    return value


def _id(matches: Callable[[str], object], value: Any, name: str) -> str:
    if type(value) is not str or matches(value) is None:
        raise ValueError(f"{name} is not hexadecimal of the right length")
    return value.lower()


def _whole(value: Any) -> int:
    """A whole number of 64 bits, given as a number or as a text; 0 if it is not given."""
    if value is None:
        return 0
    if (type(value) is str and len(value) <= LONGEST_NUMBER) or (type(value) is float and value.is_integer()):
        value = int(value)
    if type(value) is not int or not -LARGEST - 1 <= value <= LARGEST:
        raise ValueError("a whole number of 64 bits was expected")
    return value


def _moment(value: Any) -> int:
    moment = _whole(value)
    if moment < 0:
        raise ValueError("a moment is out of range")
    return moment


def read_attributes(pairs: Iterable[Any], deep: int = 0) -> Object:
    """Of a key that is there twice, the last."""
    return {_text(pair.get("key")): read_value(pair.get("value"), deep) for pair in pairs}


def read_value(value: Any, deep: int = 0) -> Any:
    """Any value; `None` for an empty one, or of a kind that is not known."""
    if value is None:
        return None
    if deep > DEEPEST:
        raise ValueError("a value is nested too deep")
    for kind, content in value.items():
        if content is None:
            continue
        if kind == "stringValue":
            return _text(content)
        if kind == "intValue":
            return _whole(content)
        if kind in OTHER_KINDS:
            return OTHER_KINDS[kind](content, deep + 1)
    return None


def _boolean(content: Any, _: int) -> bool:
    if type(content) is not bool:
        raise ValueError("true or false was expected")
    return content


def _double(content: Any, _: int) -> float:
    if type(content) not in (int, float, str):
        raise ValueError("a number was expected")
    return float(content)


def _list(content: Any, deep: int) -> list[Any]:
    return [read_value(item, deep) for item in content.get("values") or ()]


def _object(content: Any, deep: int) -> Object:
    return read_attributes(content.get("values") or (), deep)


def _bytes(content: Any, _: int) -> bytes:
    return b64decode(_text(content).translate(URL_SAFE), validate=True)


OTHER_KINDS: dict[str, Callable[[Any, int], Any]] = {
    "boolValue": _boolean,
    "doubleValue": _double,
    "arrayValue": _list,
    "kvlistValue": _object,
    "bytesValue": _bytes,
}
