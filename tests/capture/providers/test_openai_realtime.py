"""Realtime sessions: every recorded one, played by a websocket server to the real SDK."""

from __future__ import annotations

import json
import threading
from typing import Any

import openai
import pytest
from websockets.sync.server import ServerConnection, serve

from capture.recordings import exchange, params
from tollkeeper import Call

REALTIME = ("openai.realtime", "azure.realtime", "xai.realtime")
XAI = {"input_tokens_all": 5, "output_tokens_all": 42}
"""What xAI's answer says beside the response's own, empty usage, where the recording's truth does not look."""


def frames(row: dict[str, Any]) -> list[str]:
    received = [one["data"] for one in exchange(row)["response"]["frames"] if one["direction"] == "received"]
    return [data if isinstance(data, str) else json.dumps(data) for data in received]


@pytest.mark.parametrize("row", params(lambda row: row["surface"] in REALTIME))
def test_each_response_of_a_session_is_a_call(row: Any, shared: Any, instrumented: Any, calls: list[Call]) -> None:
    """Tokens sum to the truth, the model is the session's, and a response that is seen twice counts once."""
    handle = instrumented(providers=["openai"])
    played = [*frames(row), *[frame for frame in frames(row) if '"response.done"' in frame]]

    def play(socket: ServerConnection) -> None:
        for frame in played:
            socket.send(frame)

    with serve(play, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        client = openai.OpenAI(api_key="none", websocket_base_url=f"ws://127.0.0.1:{port}")
        with client.realtime.connect(model="any") as connection:
            events = [connection.recv() for _ in played]
        server.shutdown()
    handle.flush()
    truth = XAI if row["provider"] == "xai" else row["truth"]
    turns = [call for call in calls if call.operation == "realtime"]
    assert len(turns) == len({event.response.id for event in events if event.type == "response.done"})
    assert sum(call.usage.input_tokens or 0 for call in turns) == truth["input_tokens_all"]
    assert sum(call.usage.output_tokens or 0 for call in turns) == truth["output_tokens_all"]
    assert all(call.usage_source == "provider" and call.status_code == 101 for call in calls)
    if row["provider"] != "xai":
        assert {call.response_model for call in turns} == {row["truth"]["response_model"]}
