"""The frames of a segment file: packed one by one, and found again whatever has happened to the file.

A frame is a mark, its ordinal in the segment, a length, the CRC-32 of these two and of the payload, and so many bytes
of payload: one of kind, and text in UTF-8. The mark has bytes that UTF-8 never has, so that no text looks like the
beginning of a frame.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

MARK = b"\xf5\xf6TK"
COUNTS = struct.Struct("<II")
CRC = struct.Struct("<I")
HEADER = struct.Struct("<4sIII")
LONGEST = 16 * 1024 * 1024
"""The most bytes of a payload."""

RECORD, STARTED, CLOSED, LOST = b"R", b"S", b"C", b"L"
"""A finished call; one that was begun; one that has ended without a record of that id; how many were dropped."""


class Frame(NamedTuple):
    """One frame that is as it was written. `ordinal` counts the frames of its segment from 0; gaps tell of losses."""

    kind: bytes
    text: bytes
    ordinal: int


class Scan(NamedTuple):
    """What was found in a piece of a segment, and how many of its bytes are done with."""

    frames: list[Frame]
    consumed: int


def pack(kind: bytes, text: bytes, ordinal: int) -> bytes:
    """A frame as it goes into a file. Raises `ValueError` for a text that is too long."""
    payload = kind + text
    if len(payload) > LONGEST:
        raise ValueError(f"a frame of {len(payload)} bytes; the most are {LONGEST}")
    counts = COUNTS.pack(ordinal, len(payload))
    return b"".join((MARK, counts, CRC.pack(crc32(payload, crc32(counts))), payload))


def scan(data: bytes, is_last: bool, most_frames: int, most_bytes: int, at_least: int = 1) -> Scan:
    """The frames at the beginning of `data`, up to so many of them and so many bytes, but `at_least` so many.

    What is damaged is passed over, up to the next whole frame. `is_last` says that nothing comes after `data`: then
    all of it is consumed, a torn end too, unless the limits came first.
    """
    frames: list[Frame] = []
    at, until = 0, len(data)
    while at + HEADER.size <= until:
        mark, ordinal, length, crc = HEADER.unpack_from(data, at)
        if mark == MARK and 0 < length <= LONGEST:
            start = at + HEADER.size
            end = start + length
            if end <= until:
                payload = data[start:end]
                if crc32(payload, crc32(data[at + len(MARK) : start - CRC.size])) == crc:
                    if len(frames) >= at_least and (len(frames) >= most_frames or end > most_bytes):
                        return Scan(frames, at)
                    frames.append(Frame(payload[:1], payload[1:], ordinal))
                    at = end
                    continue
            elif not is_last:
                return Scan(frames, at)
        found = data.find(MARK, at + 1)
        if found < 0:
            at = until if is_last else max(at, until - len(MARK) + 1)
            break
        at = found
    return Scan(frames, until if is_last else at)
