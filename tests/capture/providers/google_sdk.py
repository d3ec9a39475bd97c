"""What the tests of google-genai share: clients of the replay server, and how to ask for a recorded answer."""

from __future__ import annotations

from typing import Any

import pytest

genai = pytest.importorskip("google.genai")

from google.genai import types  # noqa: E402


def make_client(url: str, vertex: bool = False) -> Any:
    options = types.HttpOptions(base_url=url, retry_options=types.HttpRetryOptions(attempts=1))
    if not vertex:
        return genai.Client(api_key="key", http_options=options)
    return genai.Client(enterprise=True, http_options=options)


def header(row_id: str, **more: str) -> dict[str, Any]:
    return {"http_options": {"headers": {"X-Recording": row_id, **more}}}


def ask(client: Any, row: dict[str, Any]) -> Any:
    """Send what asks for a recorded answer: the answer is chosen by header, so a short prompt will do."""
    api, model, config = row["surface"].partition(".")[2], row["request_model"], header(row["id"])
    if api == "interactions":
        made = client.interactions.create(
            model=model, input="hello", stream=row["stream"], extra_headers={"X-Recording": row["id"]}
        )
        return list(made) if row["stream"] else made
    if api == "embedContent" or api == "predict":
        return client.models.embed_content(model=model, contents="hello", config=config)
    if row["stream"]:
        return list(client.models.generate_content_stream(model=model, contents="hello", config=config))
    return client.models.generate_content(model=model, contents="hello", config=config)


async def ask_async(client: Any, row: dict[str, Any]) -> Any:
    api, model, config = row["surface"].partition(".")[2], row["request_model"], header(row["id"])
    if api == "interactions":
        made = await client.aio.interactions.create(
            model=model, input="hello", stream=row["stream"], extra_headers={"X-Recording": row["id"]}
        )
        return [event async for event in made] if row["stream"] else made
    if api == "embedContent" or api == "predict":
        return await client.aio.models.embed_content(model=model, contents="hello", config=config)
    if row["stream"]:
        chunks = await client.aio.models.generate_content_stream(model=model, contents="hello", config=config)
        return [chunk async for chunk in chunks]
    return await client.aio.models.generate_content(model=model, contents="hello", config=config)
