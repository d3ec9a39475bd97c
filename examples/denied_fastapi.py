"""A FastAPI app under limits: who has used up his own gets 429, plain or streamed. `uvicorn denied_fastapi:app`."""

from collections.abc import AsyncIterator
from typing import Annotated

import openai
from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse

import tollkeeper
from tollkeeper.middleware import ASGIMiddleware
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy

three_a_day = Limit("questions", "requests", 3, Window("day"), per=("tenant",))
tollkeeper.instrument(policy=Policy("example", (three_a_day,)))
client = openai.AsyncOpenAI()
app = FastAPI()
app.add_middleware(ASGIMiddleware)


@app.get("/ask")
async def ask(x_tenant: Annotated[str, Header()]) -> str | None:
    messages = [{"role": "user", "content": "Hello"}]
    with tollkeeper.tags(tenant=x_tenant):
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content


@app.get("/tell")
async def tell(x_tenant: Annotated[str, Header()]) -> StreamingResponse:
    async def story() -> AsyncIterator[str]:
        messages = [{"role": "user", "content": "Tell me a story."}]
        with tollkeeper.tags(tenant=x_tenant):
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
        async for chunk in stream:
            yield chunk.choices[0].delta.content or ""

    return StreamingResponse(story(), media_type="text/plain")
