"""The good records of a protobuf request that cannot be read as a whole.

protobuf refuses a whole message for one text that is not UTF-8, or one value that nests too deep. Resource, scope and
record are nested in field 2 of each other, for all three signals: they are told apart here by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError

from tollkeeper.sidecar.receive.body import Malformed
from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.sidecar.receive.signals import Signal

OUTERMOST, NESTED = 1, 2
"""Field numbers: of a resource's records in the request; of a scope's in those, and of the records in these."""
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}
METRIC_KINDS = (5, 7, 9, 10, 11)
DATA_POINTS = 1
MOST_FIELDS = 100_000
"""A broken body of more fields is not walked: the event loop would stand still meanwhile."""


def salvage(signal: Signal, data: bytes, harvest: Harvest) -> Any:
    """The request without its broken records, which are rejected. Raises `Malformed` where it cannot be split."""
    request, walk, at = signal.request(), _Walk(), 0
    resources, scopes, records = signal.nesting
    for number, part in walk.fields(data):
        if number != OUTERMOST:
            continue
        resource_rest, scope_parts = walk.split(part)
        resource = _parsed(getattr(request, resources).add, resource_rest)
        for scope_part in scope_parts:
            scope_rest, leaves = walk.split(scope_part)
            scope = None if resource is None else _parsed(getattr(resource, scopes).add, scope_rest)
            kept = None if scope is None else getattr(scope, records)
            for leaf in leaves:
                record = _parsed(signal.record, leaf)
                if record is None or kept is None:
                    why = "its resource or scope is" if kept is None else "it is"
                    weight = walk.data_points(leaf) if signal.name == "metrics" else 1
                    harvest.reject_unparsed(at, f"{why} broken: a text is not UTF-8, or a value has no end", weight)
                else:
                    kept.append(record)
                at += 1
    return request


def _parsed(make: Any, data: bytes) -> Any:
    message = make()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    return message


class _Walk:
    """Splits messages into their fields, up to a number of them. Raises `Malformed` for what is no message."""

    def __init__(self) -> None:
        self._left = MOST_FIELDS

    def split(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """What is not in the field that nests, still encoded; and each content of that field."""
        rest, nested, before = bytearray(), [], 0
        for number, content, after in self._spans(data):
            if number == NESTED:
                nested.append(data[content:after])
            else:
                rest += data[before:after]
            before = after
        return bytes(rest), nested

    def fields(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Each field that has a length, by its number."""
        for number, content, after in self._spans(data):
            if number:
                yield number, data[content:after]

    def data_points(self, metric: bytes) -> int:
        """How many there are in a metric that cannot be parsed; 1 where even that cannot be told."""
        try:
            kinds = [part for number, part in self.fields(metric) if number in METRIC_KINDS]
            points = sum(number == DATA_POINTS for part in kinds for number, _ in self.fields(part))
        except Malformed:
            return 1
        return points or 1

    def _spans(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Number, start of the content and end of each field; the number is 0 for a field without a length."""
        at, end = 0, len(data)
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise Malformed("the body is broken, and too large to look for what is whole in it")
            tag, at = _varint(data, at)
            kind, content = tag & 7, at
            if kind == LENGTH:
                length, content = _varint(data, at)
                at = content + length
            elif kind == VARINT:
                _, at = _varint(data, at)
            elif kind in FIXED:
                at += FIXED[kind]
            else:
                raise Malformed(f"the body is no OTLP: it has a field of wire type {kind}")
            if at > end or tag < 8:
                raise Malformed("the body is no OTLP, or is cut short")
            yield tag >> 3 if kind == LENGTH else 0, content, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise Malformed("the body is no OTLP, or is cut short")
