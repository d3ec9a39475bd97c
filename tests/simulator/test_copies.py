"""Services that speak OpenAI's protocol under paths of their own, through their own SDKs."""

from __future__ import annotations

import groq
import mistralai.client
import openai
import pytest

from tollkeeper.simulator import Simulator

ASK = {"model": "any-model", "messages": [{"role": "user", "content": "Hello"}]}


def test_azure_names_the_model_in_the_path(simulator: Simulator):
    client = openai.AzureOpenAI(azure_endpoint=simulator.base_url("azure"), api_key="any", api_version="2024-10-21")
    answer = client.chat.completions.create(**{**ASK, "model": "gpt-4o-mini"})
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert simulator.requests[0].path == "/openai/deployments/gpt-4o-mini/chat/completions"


def test_groq(simulator: Simulator):
    client = groq.Groq(base_url=simulator.base_url("groq"), api_key="any", max_retries=0)
    assert client.chat.completions.create(**ASK).usage.total_tokens > 0
    assert "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ASK, stream=True))


def test_mistral(simulator: Simulator):
    client = mistralai.client.Mistral(server_url=simulator.base_url("mistral"), api_key="any")
    assert client.chat.complete(**ASK).usage.total_tokens > 0
    assert [event.data.id for event in client.chat.stream(**ASK)]


@pytest.mark.parametrize("service", ["openrouter", "deepseek", "xai", "perplexity", "together"])
def test_the_openai_sdk_reaches_every_service(simulator: Simulator, service: str):
    client = openai.OpenAI(base_url=simulator.base_url(service), api_key="any", max_retries=0)
    assert client.chat.completions.create(**ASK).model == "any-model"
