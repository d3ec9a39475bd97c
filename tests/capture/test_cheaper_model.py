"""From a step of a ladder on, every SDK really sends its calls for the other model, plainly and in streams."""

from __future__ import annotations

import urllib.parse

import pytest

from capture.asking import Asking, askings, plain, stream
from capture.bench import Bench, Records, Way, simulate
from tollkeeper.model import Limit, Window
from tollkeeper.model.ladder import Ladder, Step
from tollkeeper.policy import Policy
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
