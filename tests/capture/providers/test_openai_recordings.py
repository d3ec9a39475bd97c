"""Every recorded answer in OpenAI's shapes, of OpenAI and of the services that copy it, through the real SDK."""

from __future__ import annotations

import io
from typing import Any

import openai
import pytest

from capture.recordings import call_with, disagreements, exchange, params
from tollkeeper import Call

CHAT = ("chat", "chat.completions", "openai.chat")
FETCHED = "openai.responses.retrieve-sync-gpt-4o-2024-08-06-dc8f4c"
"""Not made in the background: the call that made this response has counted it."""

NO_CALL = {
    "openai.models": "lists models; no call",
    "openai.responses.input_tokens": "counts tokens; no call",
    "openai.batches": "the state of a batch; its results are counted when they are read",
}
WEBSOCKET = {"openai.realtime", "azure.realtime", "xai.realtime"}
OTHER_SDKS = ("anthropic", "bedrock.converse", "bedrock.invoke", "bedrock.count_tokens", "cohere", "mistral", "groq")


def is_ours(row: dict[str, Any]) -> bool:
    surface = row["surface"]
    provider, _, api = surface.partition(".")
    if surface in WEBSOCKET or provider == "anthropic" or surface.startswith(OTHER_SDKS[1:4]):
        return False
    if provider in ("gemini", "vertex") and not surface.startswith("gemini.openai"):
        return False
    return not (provider == "ollama" and not api.startswith("openai")) and provider != "cohere"


def send(client: openai.OpenAI, row: dict[str, Any]) -> Any:
    recorded = exchange(row)
    body = recorded["request"]["body"] or {}
    api = row["surface"].partition(".")[2]
    body = (
        {"model": "none", "messages": [{}], **body} if row["provider"] == "azure" or "none-401" in row["id"] else body
    )
    if api in CHAT:
        return call_with(client.chat.completions.create, body)
    if api in ("responses", "openai.responses"):
        return call_with(client.responses.create, body)
    if api == "responses.compact":
        return call_with(client.responses.compact, body)
    if api == "responses.retrieve":
        return client.responses.retrieve(recorded["request"]["path"].rsplit("/", 1)[1].partition("?")[0])
    if api == "completions":
        return call_with(client.completions.create, body)
    if api == "embeddings":
        return call_with(client.embeddings.create, body)
    if api == "files.content":
        return client.files.content("file-x")
    return send_media(client, api, recorded, body)


def send_media(client: openai.OpenAI, api: str, recorded: dict[str, Any], body: dict[str, Any]) -> Any:
    form = body.get("_multipart", body)
    if api == "audio.speech":
        return call_with(client.audio.speech.create, body)
    if api == "audio.transcriptions":
        known = {name: form[name] for name in ("model", "response_format") if name in form}
        return client.audio.transcriptions.create(file=("a.wav", io.BytesIO(b"RIFF")), **{"model": "none", **known})
    if "edits" in recorded["request"]["path"]:
        return client.images.edit(
            image=("a.png", io.BytesIO(b"PNG")), prompt=form.get("prompt", "x"), model=form.get("model", "gpt-image-1")
        )
    return call_with(client.images.generate, body)


@pytest.mark.parametrize("row", params(is_ours))
def test_agrees_with_the_answer(row: dict[str, Any], replay_url: str, instrumented: Any, calls: list[Call]) -> None:
    """Tokens, cost, model, id, status and error type are what the recorded answer says."""
    if row["surface"] in NO_CALL:
        pytest.skip(NO_CALL[row["surface"]])
    handle = instrumented(providers=["openai"])
    client = openai.OpenAI(
        base_url=f"{replay_url}/v1", api_key="none", max_retries=0, default_headers={"X-Recording": row["id"]}
    )
    try:
        answer = send(client, row)
        if isinstance(answer, openai.Stream):
            list(answer)
    except openai.APIError as error:
        assert row["truth"]["error_status"] or row["truth"]["error_type"], error
    handle.flush()
    if row["id"] == FETCHED:
        assert calls == []
        return
    assert len(calls) == 1
    assert disagreements(calls[0], row["truth"]) == {}
