"""From a step of a ladder on, every SDK really sends its calls for the other model, plainly and in streams."""

from __future__ import annotations

import urllib.parse

import pytest

from capture.asking import Asking, askings, plain, stream
from capture.bench import Bench, Records, Way, simulate
from conftest import need_shared
from tollkeeper.model import Limit, Window
from tollkeeper.model.ladder import Ladder, Step
from tollkeeper.policy import Policy
from tollkeeper.simulator import Simulator
from tollkeeper.simulator.server import Arrival

OTHER = "other-model-lite"
POLICY = Policy(
    "p",
    (Limit("calls", "requests", 100, Window("day"), at=()),),
    (Ladder("calls", (Step(1, "cheaper", models={"*": OTHER}),)),),
)


def model_sent(request: Arrival) -> str:
    """In the body, or for Google and Bedrock in the path."""
    body = request.json()
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        return body["model"]
    _, _, rest = urllib.parse.unquote(request.path).rpartition("/models/" if "/models/" in request.path else "/model/")
    return rest.partition("/")[0].partition(":generate")[0].partition(":stream")[0]


@pytest.mark.parametrize(("way", "action"), askings(plain, stream))
async def test_the_other_model_is_asked_and_recorded(way: Way, action: Asking, records: Records) -> None:
    surface = way.surface
    with simulate(surface) as simulator, records.watching(surface.package, policy=POLICY):
        bench = Bench(way, simulator.url)
        await action(bench)
        await action(bench)
        assert [model_sent(request) for request in simulator.requests] == [surface.model, OTHER]
        records.flush()
    dear, cheap = records.calls
    assert (dear.request_model, cheap.request_model) == (surface.model, OTHER)
    assert "tollkeeper.steps" not in dear.parameters
    assert cheap.parameters["tollkeeper.steps"] == ("cheaper",)
    assert cheap.parameters["tollkeeper.asked.model"] == surface.model
    assert cheap.error_type is None and cheap.usage.output_tokens


CLAUDE = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("other", "is_asked"),
    [
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", True),
        ("anthropic.claude-3-haiku-20240307-v1:0", True),
        ("global.cohere.command-r-v1:0", False),
        ("amazon.nova-lite-v1:0", False),
    ],
)
def test_a_body_of_one_vendors_form_is_not_sent_to_another(other: str, is_asked: bool, records: Records) -> None:
    """InvokeModel's body is the vendor's own."""
    sdk = pytest.importorskip("capture.providers.bedrock_sdk")
    (limit,), (ladder,) = POLICY.limits, POLICY.ladders
    policy = Policy("p", (limit,), (Ladder(ladder.limit, (Step(1, "cheaper", models={"*": other}),)),))
    with Simulator(recordings=[need_shared() / "recordings" / "bedrock"]) as simulator:
        with records.watching("bedrock", policy=policy):
            client = sdk.Client(simulator.url)
            for _ in range(2):
                client.invoke(model=CLAUDE)["body"].read()
            records.flush()
        assert [model_sent(request) for request in simulator.requests] == [CLAUDE, other if is_asked else CLAUDE]
    assert records.calls[1].request_model == (other if is_asked else CLAUDE)
    assert records.calls[1].parameters.get("tollkeeper.steps") == (("cheaper",) if is_asked else None)
