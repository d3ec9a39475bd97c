"""Every recorded answer of Groq, through its own SDK."""

from __future__ import annotations

from typing import Any

import groq
import pytest

from capture.recordings import call_with, disagreements, exchange, params
from tollkeeper import Call


@pytest.mark.parametrize("row", params(lambda row: row["surface"] == "groq.chat"))
def test_agrees_with_the_answer(row: dict[str, Any], replay_url: str, instrumented: Any, calls: list[Call]) -> None:
    """Tokens, model, id, status and error type are what the recorded answer says."""
    handle = instrumented(providers=["groq"])
    client = groq.Groq(base_url=replay_url, api_key="none", max_retries=0, default_headers={"X-Recording": row["id"]})
    try:
        answer = call_with(client.chat.completions.create, exchange(row)["request"]["body"])
        if isinstance(answer, groq.Stream):
            list(answer)
    except groq.APIError as error:
        assert row["truth"]["error_status"] or row["truth"]["error_type"], error
    handle.flush()
    assert len(calls) == 1
    assert calls[0].provider == "groq"
    assert disagreements(calls[0], row["truth"]) == {}
