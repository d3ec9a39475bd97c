"""Groq. Its SDK is made like OpenAI's, and so is its API; a stream's usage comes in `x_groq` of the last chunk."""

from __future__ import annotations

from typing import Any

from tollkeeper.capture.contract import Surface
from tollkeeper.capture.providers import openai
from tollkeeper.capture.providers.services import find_endpoint
from tollkeeper.capture.stainless import Endpoint, StainlessAdapter

PREFIX = "/openai/v1"


def find_surface(method: str, url: str) -> Surface | None:
    return openai.find_surface(method, url.removeprefix(PREFIX)) if url.startswith(PREFIX) else None


def find_groq_endpoint(client: Any, base_url: Any) -> Endpoint:
    return find_endpoint(client, base_url, "groq")


ADAPTER = StainlessAdapter("groq", find_surface, find_groq_endpoint, prefix=PREFIX)
