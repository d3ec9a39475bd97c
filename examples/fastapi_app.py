"""A FastAPI app with its calls on a /metrics of its own: `uvicorn fastapi_app:app`, then /ask?tenant=acme."""

from collections.abc import Iterator

import openai
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

import tollkeeper

handle = tollkeeper.instrument(prometheus=True, service_name="fastapi-example")
client = openai.OpenAI()
async_client = openai.AsyncOpenAI()
app = FastAPI()


@app.get("/ask")
async def ask(tenant: str, question: str = "Hello") -> str | None:
    with tollkeeper.tags(tenant=tenant, feature="ask"):
        answer = await async_client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": question}]
        )
    return answer.choices[0].message.content


@app.get("/tell")
def tell(tenant: str) -> StreamingResponse:
    @tollkeeper.tags(tenant=tenant, feature="tell")
    def story() -> Iterator[str]:
        messages = [{"role": "user", "content": "Tell me a story."}]
        for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            yield chunk.choices[0].delta.content or ""

    return StreamingResponse(story(), media_type="text/plain")


@app.get("/metrics")
def metrics(request: Request) -> Response:
    body, content_type = handle.render_metrics(request.headers.get("accept", ""))
    return Response(body, media_type=content_type)
