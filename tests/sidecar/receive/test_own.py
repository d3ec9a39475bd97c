"""The two forms of one call's report are one report: the same call, the same digest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.receive.bodies import call, json_body, logs
from telemetry.drawn import calls
from tollkeeper import Call
from tollkeeper.sidecar.receive import from_json, from_protobuf
from tollkeeper.sidecar.receive.counts import Loss, ReceiveCounts
from tollkeeper.telemetry import event, record
from tollkeeper.telemetry.attributes import EVENT_NAME
from tollkeeper.telemetry.content import INPUT_MESSAGES, OUTPUT_MESSAGES
from tollkeeper.telemetry.reading import decode
from tollkeeper.telemetry.record import CALL_EVENT, LOST_EVENT, STARTED_EVENT


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
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


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_spool_has_lost(as_json: bool) -> None:
    told = ({"spool": "a", "dropped": 3}, {"spool": "b", "dropped": 4}, {"spool": "a", "dropped": 5, "more": []})
    wrong = (
        {"spool": "a"},
        {"spool": 1, "dropped": 1},
        {"spool": "a", "dropped": -1},
        [],
        {"spool": "a", "dropped": 2.5},
    )
    request = logs(*({"name": LOST_EVENT, "body": json.dumps(body)} for body in (*told, *wrong)))
    harvest = (
        from_json.read("logs", json_body(request))
        if as_json
        else from_protobuf.read("logs", request.SerializeToString())
    )
    assert (harvest.lost, harvest.rejected) == ({"a": 5, "b": 4}, 5)
    counts = ReceiveCounts(lost={"a": Loss(9, 1), "c": Loss(1, 1)})
    counts.taken("http", "logs", harvest)
    assert {spool: loss.dropped for spool, loss in counts.lost.items()} == {"a": 9, "b": 4, "c": 1}, "one was late"
    assert min(counts.lost["a"].told_at, counts.lost["b"].told_at) > counts.lost["c"].told_at == 1
