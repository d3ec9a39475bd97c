"""The two forms of one call's report are one report: the same call, the same digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.receive.bodies import call, json_body, logs
from telemetry.drawn import calls
from tollkeeper import Call
from tollkeeper.sidecar.receive import from_json, from_protobuf, own
from tollkeeper.sidecar.receive.counts import MOST_SPOOLS, Loss, Losses, ReceiveCounts
from tollkeeper.sidecar.receive.harvest import Harvest
from tollkeeper.storage.spool.home import Home
from tollkeeper.telemetry import event, record
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.content import INPUT_MESSAGES, OUTPUT_MESSAGES
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import CALL_EVENT, LOST_EVENT, STARTED_EVENT


@settings(max_examples=300, derandomize=True, database=None)
@given(calls, st.booleans())
def test_both_forms_have_one_digest(one: Call, as_json: bool) -> None:
    request = logs(
        {"name": CALL_EVENT, "body": record.encode(one)},
        {"name": EVENT_NAME, "attributes": event.encode(one)},
        scope="tollkeeper",
    )
    if as_json:
        harvest = from_json.read("logs", json_body(request))
    else:
        harvest = from_protobuf.read("logs", request.SerializeToString())
    assert harvest.message == ""
    text, attributes = harvest.calls
    assert text.call == attributes.call == decode(record.encode(one))
    assert text.digest == attributes.digest == record.digest(record.encode(one))


def test_prompts_in_an_event_are_left_out() -> None:
    content = {INPUT_MESSAGES: [{"role": "user"}], OUTPUT_MESSAGES: "secret"}
    request = logs({"name": EVENT_NAME, "attributes": {**event.encode(call()), **content}})
    (arrival,) = from_protobuf.read("logs", request.SerializeToString()).calls
    assert arrival.call == call()
    assert arrival.digest == record.digest(record.encode(call()))


@pytest.mark.parametrize("as_json", [False, True])
def test_a_call_that_was_begun(as_json: bool) -> None:
    request = logs({"name": STARTED_EVENT, "body": record.encode(call())})
    harvest = (
        from_json.read("logs", json_body(request))
        if as_json
        else from_protobuf.read("logs", request.SerializeToString())
    )
    assert [one.call for one in harvest.started] == [call()]
    assert not harvest.calls


@pytest.mark.parametrize("as_json", [False, True])
def test_an_event_of_ours_that_is_broken_is_rejected(as_json: bool) -> None:
    good = event.encode(call())
    bad = [
        {**good, "tollkeeper.call.started_at": "x"},
        {**good, "tollkeeper.cost.usd": "x", "tollkeeper.cost.source": "catalog"},
        {**good},
    ]
    del bad[2]["gen_ai.provider.name"]
    bad.append({**good, "tollkeeper.usage.passes": "[" * 5000})
    request = logs(*({"name": EVENT_NAME, "attributes": attributes} for attributes in [*bad, good]))
    harvest = (
        from_json.read("logs", json_body(request))
        if as_json
        else from_protobuf.read("logs", request.SerializeToString())
    )
    assert (harvest.rejected, len(harvest.calls), len(harvest.emissions)) == (4, 1, 0)
    for at in range(4):
        assert f"log record {at}: " in harvest.message


A, B, C = (letter * 32 for letter in "abc")


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_spool_has_lost(as_json: bool) -> None:
    told = ({"spool": A, "dropped": 3}, {"spool": B, "dropped": 4}, {"spool": A, "dropped": 5, "more": []})
    wrong = (
        {"spool": A},
        {"spool": 1, "dropped": 1},
        {"spool": A, "dropped": -1},
        [],
        {"spool": A, "dropped": 2.5},
        {"spool": "my own name", "dropped": 1},
        {"spool": A * 1_000, "dropped": 1},
        {"spool": A.upper(), "dropped": 1},
        {"spool": "", "dropped": 1},
    )
    request = logs(*({"name": LOST_EVENT, "body": json.dumps(body)} for body in (*told, *wrong)))
    harvest = (
        from_json.read("logs", json_body(request))
        if as_json
        else from_protobuf.read("logs", request.SerializeToString())
    )
    assert (harvest.lost, harvest.rejected) == ({A: 5, B: 4}, len(wrong))
    counts = ReceiveCounts(lost=Losses({A: Loss(9, 1), C: Loss(1, 1)}))
    counts.taken("http", "logs", harvest)
    lost = counts.lost.by_spool
    assert {spool: loss.dropped for spool, loss in lost.items()} == {A: 9, B: 4, C: 1}, "one was late"
    assert min(lost[A].told_at, lost[B].told_at) > lost[C].told_at == 1


def test_spools_take_themselves_a_name_that_is_taken(tmp_path: Path) -> None:
    home = Home.create(tmp_path, {})
    assert own.lost(json.dumps({"spool": home.path.name, "dropped": 1})) == (home.path.name, 1)
    home.release()


def test_the_newest_spools_are_told_apart_and_the_sum_does_not_fall() -> None:
    counts = ReceiveCounts()
    for number in range(3 * MOST_SPOOLS):
        counts.taken("http", "logs", Harvest("log record", lost={f"{number:032x}": 2}))
        lost = counts.lost
        assert lost.forgotten + sum(loss.dropped for loss in lost.by_spool.values()) == 2 * (number + 1)
    assert set(counts.lost.by_spool) == {f"{number:032x}" for number in range(2 * MOST_SPOOLS, 3 * MOST_SPOOLS)}
