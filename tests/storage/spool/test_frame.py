"""Frames: whatever happens to a file, what is whole in it is found, and nothing is found that was not written."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.storage.spool.frame import HEADER, LONGEST, MARK, RECORD, STARTED, Frame, pack, scan

ALL = 1_000_000

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(str.encode)
files = st.lists(texts, max_size=8)
damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "double", "zero"]),
        st.integers(0, 10_000),
        st.integers(1, 60),
        st.binary(min_size=1, max_size=20) | st.just(MARK) | st.just(HEADER.pack(MARK, 0, 5, 0)),
    ),
    max_size=4,
)


def written(payloads: list[bytes]) -> list[bytes]:
    return [pack(RECORD, text, ordinal) for ordinal, text in enumerate(payloads)]


def damage(data: bytes, how: str, at: int, size: int, extra: bytes) -> bytes:
    at %= len(data) + 1
    piece = data[at : at + size]
    middle = {
        "flip": bytes(byte ^ 0x55 for byte in piece),
        "cut": b"",
        "insert": extra + piece,
        "double": piece + piece,
        "zero": bytes(len(piece)),
    }[how]
    return data[:at] + middle + data[at + size :]


@settings(max_examples=300, derandomize=True, database=None)
@given(files)
def test_what_is_written_is_read(payloads: list[bytes]) -> None:
    data = b"".join(written(payloads))
    frames = [Frame(RECORD, text, ordinal) for ordinal, text in enumerate(payloads)]
    assert scan(data, True, ALL, ALL) == (frames, len(data))
    assert scan(data, False, ALL, ALL) == (frames, len(data))


@settings(max_examples=800, derandomize=True, database=None)
@given(files, damages, st.booleans())
def test_damage_never_fails_and_invents_nothing(
    payloads: list[bytes], damages: list[tuple[str, int, int, bytes]], is_last: bool
) -> None:
    data = b"".join(written(payloads))
    for each in damages:
        data = damage(data, *each)
    found, consumed = scan(data, is_last, ALL, ALL)
    known = {(text, ordinal) for ordinal, text in enumerate(payloads)}
    assert {(frame.text, frame.ordinal) for frame in found} <= known
    assert 0 <= consumed <= len(data)
    assert consumed == len(data) or not is_last


@settings(max_examples=300, derandomize=True, database=None)
@given(st.lists(texts, min_size=1, max_size=8), st.data())
def test_a_damaged_frame_loses_only_itself(payloads: list[bytes], data: st.DataObject) -> None:
    frames = written(payloads)
    broken = data.draw(st.integers(0, len(frames) - 1))
    at = data.draw(st.integers(0, len(frames[broken]) - 1))
    frame = bytearray(frames[broken])
    frame[at] ^= data.draw(st.integers(1, 255))
    frames[broken] = bytes(frame)
    found, _ = scan(b"".join(frames), True, ALL, ALL)
    assert [each.ordinal for each in found] == [n for n in range(len(payloads)) if n != broken]


@settings(max_examples=300, derandomize=True, database=None)
@given(st.lists(texts, min_size=1, max_size=5), st.integers(1, 10_000))
def test_a_torn_end_costs_the_last_frame_only(payloads: list[bytes], cut: int) -> None:
    frames = written(payloads)
    data = b"".join(frames)[: -(1 + cut % len(frames[-1]))]
    found, consumed = scan(data, True, ALL, ALL)
    assert ([each.text for each in found], consumed) == (payloads[:-1], len(data))
    found, consumed = scan(data, False, ALL, ALL)
    assert [each.text for each in found] == payloads[:-1]
    assert consumed <= sum(map(len, frames[:-1])) + len(MARK), "the rest may still come"


@settings(max_examples=200, derandomize=True, database=None)
@given(files, st.integers(1, 4), st.integers(1, 200))
def test_limits_divide_a_file_without_losing_anything(payloads: list[bytes], most: int, size: int) -> None:
    data, found = b"".join(written(payloads)), list[Frame]()
    while data:
        frames, consumed = scan(data, True, most, size)
        assert 0 < len(frames) <= most and consumed > 0
        found += frames
        data = data[consumed:]
    assert [each.text for each in found] == payloads


def test_a_header_that_promises_more_than_there_is_waits_or_is_passed_over() -> None:
    promise = HEADER.pack(MARK, 0, LONGEST, 0)
    whole = pack(STARTED, b"text", 1)
    assert scan(promise + whole, False, ALL, ALL) == ([], 0)
    found, consumed = scan(promise + whole, True, ALL, ALL)
    assert [each.text for each in found] == [b"text"]
    assert consumed == len(promise + whole)
