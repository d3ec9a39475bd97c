"""Recorded traffic, replayed: the right recording, as it was, by the same rules as the server that came with it."""

from __future__ import annotations

import base64
import importlib.util
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import openai
import pytest

from tollkeeper.simulator import Simulator
from tollkeeper.simulator.exchange import Request, read_target
from tollkeeper.simulator.replay import Library

ALIKE = {"openai.audio.transcriptions-sync-none-ba8318", "openai.audio.transcriptions-sync-none-e284e7"}
"""Their requests differ only in the file, which no recording holds."""


@pytest.fixture(scope="module")
def replaying(recordings: Path) -> Iterator[Simulator]:
    with Simulator(recordings=[recordings]) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def exchanges(recordings: Path) -> list[dict[str, Any]]:
    rows = json.loads((recordings / "INDEX.json").read_text())
    return [json.loads((recordings / row["file"]).read_text()) for row in rows if row["status"] != 101]


def test_every_recorded_request_gets_its_own_answer(replaying: Simulator, exchanges: list[dict[str, Any]]):
    with httpx.Client(base_url=replaying.url) as client:
        for exchange in exchanges:
            sent, expected = exchange["request"], exchange["response"]
            target = f"/@{exchange['provider']}" + urllib.parse.quote(sent["path"], safe="/?=&:%")
            answer = client.request(sent["method"], target, json=sent["body"] if sent["body"] is not None else None)
            if exchange["id"] in ALIKE:
                continue
            assert answer.headers["x-recording-id"] == exchange["id"]
            assert answer.status_code == expected["status"]
            if "body" in expected and "alt=sse" not in sent["path"]:
                assert answer.json() == expected["body"]
            if "sse" in expected or "ndjson" in expected:
                assert answer.content.decode() == expected.get("sse", expected.get("ndjson"))
            if "body_base64" in expected:
                assert answer.content == base64.b64decode(expected["body_base64"])


def mutations(body: Any) -> Iterator[Any]:
    """The request as it was, with an option more, for another model, and with other words."""
    yield body
    if isinstance(body, dict):
        yield {**body, "user": "somebody"}
        yield {**body, "model": "another"}
        for field in ("messages", "contents", "input"):
            if field in body:
                yield {**body, field: "other words"}
                yield {**body, field: "other words", "model": "another", "stream": not body.get("stream")}


@pytest.fixture(scope="module")
def original(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("replay_server", shared / "tools" / "replay_server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_the_rules_are_those_of_the_replay_server(
    original: ModuleType, recordings: Path, exchanges: list[dict[str, Any]], strict: bool, named: bool
):
    theirs, ours = original.Library([recordings]), Library([recordings], strict=strict)
    assert len(ours) == len(theirs.all)
    for exchange in exchanges:
        sent = exchange["request"]
        service = exchange["provider"] if named else None
        _, path, query = read_target(sent["path"])
        for body in mutations(sent["body"]):
            recording, rule = theirs.find(sent["method"], path, body, service, strict)
            found, our_rule = ours.find(Request(sent["method"], path, query, {}, b"", body, service))
            assert (found and found.id, our_rule) == (recording and recording.id, rule or "none")


def test_a_recording_can_be_named(replaying: Simulator):
    client = openai.OpenAI(base_url=replaying.base_url("openai"), api_key="any", max_retries=0)
    named = {"X-Recording": "openai.chat.completions-stream-gpt-4.1-0d829b"}
    stream = client.chat.completions.create(model="any", messages=[], stream=True, extra_headers=named)
    *_, last = stream
    assert (last.usage.prompt_tokens, last.usage.prompt_tokens_details.cached_tokens) == (1144, 1024)
    assert replaying.requests[-1].match == "id"
    with pytest.raises(openai.NotFoundError, match="nowhere"):
        client.chat.completions.create(model="any", messages=[], extra_headers={"X-Recording": "nowhere"})


@pytest.mark.parametrize("header", ["X-Simulator", "X-Replay-Fault"])
def test_faults_spoil_recordings_too(replaying: Simulator, header: str):
    client = openai.OpenAI(base_url=replaying.base_url("openai"), api_key="any", max_retries=0)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-4o", messages=[], extra_headers={header: "status=429"})
    answer = httpx.post(
        replaying.url + "/model/amazon.nova-lite-v1%3A0/converse", json={}, headers={header: "status=429"}
    )
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (429, "ThrottlingException")
    named = {"X-Recording": "openai.chat.completions-stream-gpt-4.1-0d829b", header: "drop=2"}
    with pytest.raises(Exception, match=r".+"):
        list(client.chat.completions.create(model="any", messages=[], stream=True, extra_headers=named))
    assert replaying.requests[-1].pieces == 2


@pytest.mark.parametrize(("makes_answers", "status"), [(None, 404), (False, 404), (True, 200)])
def test_what_is_not_recorded_is_made_only_when_wanted(tmp_path: Path, makes_answers: bool | None, status: int):
    with Simulator(recordings=[tmp_path], makes_answers=makes_answers) as simulator:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
        assert httpx.post(simulator.base_url("openai") + "/chat/completions", json=body).status_code == status


def test_gemini_chunks_serve_who_wants_events_and_who_does_not(tmp_path: Path):
    path, chunks = "/v1beta/models/m:streamGenerateContent", [{"number": 1}, {"number": 2}]
    recording = {
        "id": "one",
        "provider": "gemini",
        "request": {"method": "POST", "path": path, "body": {"contents": []}},
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": chunks},
    }
    (tmp_path / "one.json").write_text(json.dumps(recording))
    with Simulator(recordings=[tmp_path]) as simulator:
        whole = httpx.post(simulator.url + path, json={"contents": []})
        events = httpx.post(simulator.url + path + "?alt=sse", json={"contents": []})
    assert whole.json() == chunks
    assert events.headers["content-type"] == "text/event-stream"
    assert [json.loads(line[6:]) for line in events.text.split("\r\n\r\n") if line] == chunks


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere"):
        Simulator(recordings=[tmp_path / "nowhere"])
