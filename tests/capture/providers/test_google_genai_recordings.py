"""Every recorded answer of the Gemini API and of Vertex AI, through the real SDK, sync and async."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from capture.providers.google_sdk import ask, ask_async, make_client
from capture.recordings import disagreements, index, params
from tollkeeper import Call

errors = pytest.importorskip("google.genai.errors")

NO_CALL = {
    "gemini.cachedContents": "makes a cache; no call",
    "gemini.countTokens": "counts tokens; no call",
    "gemini.models": "lists models; no call",
    "vertex.countTokens": "counts tokens; no call",
}
OTHER_SDKS = {"gemini.openai.chat": "through the openai SDK"}
WEBSOCKET = {"gemini.live": "a websocket, which the replay server does not speak: test_live_session plays it"}
LEFT_OUT = {**NO_CALL, **OTHER_SDKS, **WEBSOCKET}


def is_ours(row: dict[str, Any]) -> bool:
    return row["provider"] in ("gemini", "vertex") and row["surface"] not in LEFT_OUT


@pytest.fixture
def watched(instrumented: Callable[..., Any]) -> Any:
    return instrumented(providers=["google_genai"])


def check(row: dict[str, Any], calls: list[Call]) -> None:
    (call,) = calls
    assert disagreements(call, row["truth"]) == {}
    assert call.provider == ("gcp.vertex_ai" if row["provider"] == "vertex" else "gcp.gemini")
    embeds = row["surface"].endswith(("embedContent", "predict"))
    assert call.operation == ("embeddings" if embeds else "generate_content")
    assert call.stream == row["stream"]
    if row["truth"]["finish_reasons"]:
        assert list(call.finish_reasons) == row["truth"]["finish_reasons"]
    if row["status"] == 200 and row["truth"]["input_tokens_all"] is not None:
        assert call.usage_source == "provider"
    if row["stream"] and row["status"] == 200:
        assert call.time_to_first_chunk is not None and not call.abandoned


@pytest.mark.parametrize("row", params(is_ours))
def test_recorded_answer(row: dict[str, Any], replay_url: str, watched: Any, calls: list[Call]) -> None:
    with make_client(replay_url, row["provider"] == "vertex") as client:
        if row["status"] >= 400:
            with pytest.raises(errors.APIError):
                ask(client, row)
        else:
            ask(client, row)
    watched.flush()
    check(row, calls)


@pytest.mark.parametrize("row", params(is_ours))
async def test_recorded_answer_async(row: dict[str, Any], replay_url: str, watched: Any, calls: list[Call]) -> None:
    client = make_client(replay_url, row["provider"] == "vertex")
    if row["status"] >= 400:
        with pytest.raises(errors.APIError):
            await ask_async(client, row)
    else:
        await ask_async(client, row)
    await client.aio.aclose()
    watched.flush()
    check(row, calls)


def test_every_recording_is_covered_or_has_a_reason(shared: Any) -> None:
    rows = [row for row in index() if row["provider"] in ("gemini", "vertex")]
    covered = Counter(row["surface"] for row in rows if is_ours(row))
    print(f"covered: {sum(covered.values())} of {len(rows)}: {dict(covered)}")
    for row in rows:
        if not is_ours(row):
            print(f"left out: {row['id']}: {LEFT_OUT[row['surface']]}")
    assert sum(covered.values()) >= 50
