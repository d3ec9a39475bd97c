"""Which service a client talks to, from its base URL."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tollkeeper import Call
from tollkeeper.capture.providers.services import find_endpoint, find_service
from tollkeeper.simulator import Simulator
from tollkeeper.telemetry.services import SERVICES


def endpoint(url: str) -> Any:
    client = openai.OpenAI(base_url=url, api_key="none")
    return find_endpoint(client, client.base_url)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.host)
def test_every_row_is_found_by_its_host(service: Any) -> None:
    """Itself and hosts below it, the first row that fits."""
    host = service.host.replace("*", "us-east-1")
    assert find_service(host) == service
    if host == service.host:
        assert find_service(f"eu.{host}").provider == service.provider  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://us.api.openai.com/v1", "openai"),
        ("https://acme.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.x.ai/v1", "x_ai"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://127.0.0.1:1234/v1", "lm_studio"),
        ("https://us-central1-aiplatform.googleapis.com/v1", "gcp.vertex_ai"),
        ("https://my-gateway-1.eu-west-1.elb.amazonaws.com/v1", "openai"),
        ("https://evil-api.openai.com.example.net/v1", "openai"),
        ("https://evilopenrouter.ai/v1", "openai"),
        ("https://gateway.example.com/v1", "openai"),
    ],
)
def test_hosts_match_at_a_label_boundary(url: str, provider: str) -> None:
    """A host that only looks like a service's is not it; an unknown one speaks OpenAI's API, and is called that."""
    assert endpoint(url).provider == provider


def test_hosts_of_ones_own_have_names_of_ones_own(instrumented: Any, calls: list[Call]) -> None:
    """`hosts` wins over the table, and a client that is there already is looked at anew."""
    with Simulator(seed=1) as simulator:
        client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="none")
        handle = instrumented(providers=["openai"])
        client.embeddings.create(model="text-embedding-3-small", input="x")
        handle.uninstrument()
        handle = instrumented(providers=["openai"], hosts={"127.0.0.1": "vllm"})
        client.embeddings.create(model="text-embedding-3-small", input="x")
        handle.flush()
    assert [call.provider for call in calls] == ["openai", "vllm"]
    assert calls[1].price_status == "free"
