"""Deliveries: made again until they succeed, halved to find what is refused, and never lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.spool.shelves import Memory, Naps, counted, deliver, id_of, quiet_spool, record
from tollkeeper.storage.spool import Batch, Refused, Unavailable, rejected
from tollkeeper.storage.spool.rejected import NAME
from tollkeeper.storage.spool.shipper import FIRST_WAIT, LONGEST_ASKED, LONGEST_WAIT, Pace


def refusing(*bad: str, first: int = 0) -> Memory:
    """It is away `first` times, and then refuses every batch that has one of the bad records in it."""

    def behave(batch: Batch) -> None:
        if memory.attempts <= first:
            raise Unavailable("away")
        if set(bad) & {id_of(parcel) for parcel in batch.parcels}:
            raise Refused("HTTP 400: bad")

    memory = Memory(behave)
    return memory


def set_aside(root: Path) -> list[str]:
    path = root / NAME
    return [json.loads(line)["record"].split('"')[1] for line in path.read_text().splitlines()] if path.exists() else []


def test_waits_grow_up_to_a_limit_and_never_end(tmp_path: Path) -> None:
    naps, memory = Naps(), refusing(first=40)
    spool = quiet_spool(tmp_path, memory, pace=naps.pace)
    spool.record(record("c1"))
    deliver(spool)
    assert memory.ids() == ["c1"]
    assert naps.seconds[:4] == pytest.approx([FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT])
    assert naps.seconds[-1] == LONGEST_WAIT
    assert len(naps.seconds) == 40


def test_jitter_spreads_the_attempts(tmp_path: Path) -> None:
    naps, memory = Naps(), refusing(first=3)
    spool = quiet_spool(tmp_path, memory, pace=naps.pace._replace(jitter=lambda: 0.0))
    spool.record(record("c1"))
    deliver(spool)
    assert naps.seconds == pytest.approx([FIRST_WAIT / 2, FIRST_WAIT, 2 * FIRST_WAIT])


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (0.0, FIRST_WAIT), (1e9, LONGEST_ASKED)])
def test_what_the_destination_asks_for_is_waited(tmp_path: Path, asked: float, waited: float) -> None:
    naps, answers = Naps(), [Unavailable("busy", asked)]

    def behave(batch: Batch) -> None:
        if answers:
            raise answers.pop()

    spool = quiet_spool(tmp_path, Memory(behave), pace=naps.pace)
    spool.record(record("c1"))
    deliver(spool)
    assert naps.seconds == pytest.approx([waited])


@pytest.mark.parametrize("bad", [[0], [499], [3, 4], [0, 250, 499], list(range(7))])
def test_only_what_is_refused_is_set_aside(tmp_path: Path, bad: list[int]) -> None:
    memory = refusing(*counted(bad))
    spool = quiet_spool(tmp_path, memory, pace=Naps().pace)
    for id in counted(range(500)):
        spool.record(record(id))
    deliver(spool)
    assert memory.ids() == [id for id in counted(range(500)) if id not in counted(bad)]
    assert set_aside(tmp_path) == counted(bad)
    state = spool.state
    assert (state.rejected, state.shipped, state.records) == (len(bad), 500 - len(bad), 0)


def test_what_is_set_aside_is_whole_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = quiet_spool(tmp_path, refusing("c1"), pace=Naps().pace)
    text = record("c1", tags={"tenant": "acmé\n"})
    spool.record(text)
    deliver(spool)
    line = json.loads((tmp_path / NAME).read_text())
    assert (line["kind"], line["record"], line["reason"]) == ("call", text, "HTTP 400: bad")
    assert "refused for good" in caplog.text


def test_a_destination_that_takes_nothing_at_all_blames_no_record(tmp_path: Path) -> None:
    """A wrong address may answer 400 to everything."""
    naps = Naps()

    def behave(batch: Batch) -> None:
        if len(naps.seconds) < 5:
            raise Refused("HTTP 400: what is this?")

    memory = Memory(behave)
    spool = quiet_spool(tmp_path, memory, pace=naps.pace)
    for id in counted(range(3)):
        spool.record(record(id))
    deliver(spool)
    assert memory.ids() == counted(range(3))
    assert set_aside(tmp_path) == []
    assert spool.state.rejected == 0


def test_away_in_the_middle_of_halving(tmp_path: Path) -> None:
    def behave(batch: Batch) -> None:
        if memory.attempts % 3 == 0:
            raise Unavailable("away")
        if "c5" in {id_of(parcel) for parcel in batch.parcels}:
            raise Refused("bad")

    memory = Memory(behave)
    spool = quiet_spool(tmp_path, memory, pace=Naps().pace)
    for id in counted(range(20)):
        spool.record(record(id))
    deliver(spool)
    assert memory.ids() == [id for id in counted(range(20)) if id != "c5"]
    assert set_aside(tmp_path) == ["c5"]


def test_records_that_cannot_be_set_aside_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "LARGEST", 10)
    spool = quiet_spool(tmp_path, refusing("c1"), pace=Naps().pace)
    spool.record(record("c1"))
    deliver(spool)
    assert spool.state.rejected == 1
    assert record("c1") in caplog.text


def test_a_failure_is_told_once_and_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    naps = Naps()
    seen: list[str | None] = []

    def behave(batch: Batch) -> None:
        seen.append(spool.state.failure)
        if len(seen) < 6:
            raise Unavailable("HTTP 503: closed")

    spool = quiet_spool(tmp_path, Memory(behave), pace=naps.pace)
    spool.record(record("c1"))
    deliver(spool)
    assert seen == [None] + ["HTTP 503: closed"] * 5
    assert spool.state.failure is None
    assert caplog.text.count("cannot be reached") == 1


def test_the_clock_of_the_pace_is_the_clock(tmp_path: Path) -> None:
    spool = quiet_spool(tmp_path, Memory(), pace=Pace(now=lambda: 42))
    spool.record(record("c1"))
    deliver(spool)
    assert spool.state.acknowledged_at == 42
