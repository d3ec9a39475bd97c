"""The body of a request, within limits: what is held in memory at once is bounded, inflated or not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from tollkeeper.sidecar.intake import Busy

MIB = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
WINDOW_GZIP, WINDOW_ZLIB, WINDOW_RAW = 31, 15, -15
ENCODINGS = ("gzip", "deflate")


class Limits(NamedTuple):
    """In bytes. `body` holds for one request, before and after inflating; `in_flight` for all requests together."""

    body: int = 64 * MIB
    in_flight: int = 256 * MIB


class Malformed(ValueError):
    """The request cannot be decoded. It never will be, so it is not to be sent again."""


class TooLarge(Exception):
    """The body is larger than the limit, as it came or inflated."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")


class Room:
    """How much of the bodies may be in memory at once. Not for several threads."""

    RETRY_AFTER = 1

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Raises `Busy` when there is no room for as many bytes."""
        if self.held + size > self._limit:
            raise Busy(self.RETRY_AFTER)
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size


class Share:
    """What one request takes of the room; all of it is given back at the end of `with`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def take(self, size: int) -> None:
        self._room.take(size)
        self._size += size

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give_back(self._size)


def inflate(data: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before `encoding` (`gzip` or `deflate`).

    Raises `TooLarge` as soon as more than `limit` bytes have come out, and `Malformed` for data that is cut short, or
    is not of that encoding.
    """
    try:
        return b"".join(_members(data, limit) if encoding == "gzip" else _deflated(data, limit))
    except zlib.error as error:
        raise Malformed(f"the body is not {encoding}: {error}") from None


def _members(data: bytes, limit: int) -> Iterator[bytes]:
    """A gzip file is any number of members, one after another."""
    left = limit
    while True:
        part, data = _inflate(data, WINDOW_GZIP, left, limit)
        left -= len(part)
        yield part
        if not data.startswith(GZIP_MAGIC):
            break
    if data.strip(b"\0"):
        raise Malformed("something that is not gzip follows the gzip data")


def _deflated(data: bytes, limit: int) -> Iterator[bytes]:
    """HTTP's deflate is zlib's format. Some clients send the bare stream: the first bytes tell which."""
    wrapped = len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    part, rest = _inflate(data, WINDOW_ZLIB if wrapped else WINDOW_RAW, limit, limit)
    if rest:
        raise Malformed("something follows the deflated data")
    yield part


def _inflate(data: bytes, window: int, left: int, limit: int) -> tuple[bytes, bytes]:
    """One stream, and what follows it."""
    stream = zlib.decompressobj(window)
    # A length of 0 would mean no limit; one byte more than is allowed tells "full" from "too much".
    part = stream.decompress(data, left + 1)
    if len(part) > left:
        raise TooLarge(limit)
    if not stream.eof:
        raise Malformed("the compressed body is cut short")
    return part, stream.unused_data
