"""Every recorded answer of Anthropic's API, through the real SDK."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic._decoders.jsonl import JSONLDecoder
from anthropic.types.messages import MessageBatchIndividualResponse

from capture.recordings import call_with, disagreements, exchange, params
from tollkeeper import Call

NO_CALL = {
    "anthropic.models": "lists models; no call",
    "anthropic.count_tokens": "counts tokens before a call; not billed, not counted",
    "anthropic.batches": "the state of a batch; the results have a test of their own below",
}


@pytest.mark.parametrize("row", params(lambda row: row["provider"] == "anthropic"))
def test_agrees_with_the_answer(row: dict[str, Any], replay_url: str, instrumented: Any, calls: list[Call]) -> None:
    """Tokens, model, id, status and error type are what the recorded answer says."""
    if row["surface"] in NO_CALL:
        pytest.skip(NO_CALL[row["surface"]])
    handle = instrumented(providers=["anthropic"])
    client = anthropic.Anthropic(
        base_url=replay_url, api_key="none", max_retries=0, default_headers={"X-Recording": row["id"]}
    )
    body = exchange(row)["request"]["body"] or {}
    create = client.beta.messages.create if "betas" in body else client.messages.create
    try:
        answer = call_with(create, {"max_tokens": 1, **body}, timeout=60)
        if isinstance(answer, anthropic.Stream):
            list(answer)
    except anthropic.APIError as error:
        assert row["truth"]["error_status"] or row["truth"]["error_type"], error
    handle.flush()
    assert len(calls) == 1
    assert disagreements(calls[0], row["truth"]) == {}


def test_batch_results_count_once(replay_url: str, instrumented: Any, calls: list[Call]) -> None:
    """Each answered line of a batch is a call at the batch price, however often the results are read."""
    handle = instrumented(providers=["anthropic"])
    recording = "anthropic.batches-sync-none-ff047e"
    client = anthropic.Anthropic(base_url=replay_url, api_key="none", max_retries=0)
    for _ in range(2):
        lines = client.get(
            "/v1/messages/batches/msgbatch_01LAsPWiFCZCMhpT6aFixxia/results",
            options={"headers": {"X-Recording": recording}},
            cast_to=JSONLDecoder[MessageBatchIndividualResponse],
            stream=True,
        )
        succeeded = [line.result.message for line in lines if line.result.type == "succeeded"]
    handle.flush()
    assert succeeded
    assert sorted(call.response_id for call in calls) == sorted(message.id for message in succeeded)
    assert {call.usage.output_tokens for call in calls} == {message.usage.output_tokens for message in succeeded}
    assert all(call.price_context == {"processing": "batch"} and call.cost is not None for call in calls)
