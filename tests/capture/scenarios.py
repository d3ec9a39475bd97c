"""Every SDK that is watched, as one small adapter each: how to make its client, and how to ask it."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pydantic

from capture.recordings import index

HELLO = [{"role": "user", "content": "Hello, what does the toll cost?"}]
COUNTED = "input-tokens=11,output-tokens=7"
"""A knob of the simulator: so much is in the usage that it hands out."""

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "The weather", "parameters": PARAMETERS}
TOOLS = [{"type": "function", "function": FUNCTION}]


class City(pydantic.BaseModel):
    """What the parsing calls ask for."""

    name: str


async def settle(value: Any) -> Any:
    """The value, awaited if it must be."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any, is_async: bool) -> AsyncIterator[Any]:
    if is_async:
        async for chunk in stream:
            yield chunk
    else:
        for chunk in stream:
            yield chunk


async def read(stream: Any, is_async: bool) -> list[Any]:
    return [chunk async for chunk in each(stream, is_async)]


def dump(value: Any) -> Any:
    """Everything that an SDK's object says, as plain data: what was set and what was not, and of which type it is."""
    if isinstance(value, pydantic.BaseModel):
        return type(value).__qualname__, sorted(value.model_fields_set), value.model_dump(warnings=False)
    if isinstance(value, list | tuple):
        return [dump(item) for item in value]
    if isinstance(value, dict):
        return {key: dump(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | bytes | None) else repr(type(value))


class Surface:
    """One way to ask one SDK. `counts_streams`: the simulator hands out the usage of its streams."""

    name = package = provider = module = ""
    operation = "chat"
    model = ""
    kinds = ("", "")
    flavours: tuple[str, ...] = ("sync", "async")
    recordings: tuple[str, str] | None = None
    counts_streams = True
    has_raw = has_helper = has_parse = has_tools = False
    sends_context = True

    def __repr__(self) -> str:
        return self.name

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        raise NotImplementedError

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        raise NotImplementedError

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        raise NotImplementedError

    async def helper(self, client: Any, is_async: bool) -> Any:
        """A call through the SDK's own stream helper; what it makes of it, as plain data."""
        raise NotImplementedError

    def parse(self, client: Any, is_async: bool) -> Any:
        raise NotImplementedError

    def with_tools(self) -> dict[str, Any]:
        return {"tools": TOOLS}

    def usage(self, is_stream: bool) -> tuple[int | None, int | None]:
        """The tokens that the server hands out."""
        if self.recordings is None:
            return 11, 7
        truth = next(row["truth"] for row in index() if row["id"] == self.recordings[is_stream])
        return truth["input_tokens_all"], truth["output_tokens_all"]

    @functools.cached_property
    def sdk(self) -> Any:
        return importlib.import_module(self.module)

    def stream_type(self, is_async: bool) -> type | None:
        """The class that the SDK promises for its streams; `None` where it promises a generator."""
        return None


class OpenAIChat(Surface):
    name, package, provider, module, model = "openai-chat", "openai", "openai", "openai", "gpt-4o-mini"
    has_raw = has_helper = has_parse = has_tools = True

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        kind = self.sdk.AsyncOpenAI if is_async else self.sdk.OpenAI
        headers = {"X-Simulator": knobs}
        return kind(base_url=f"{url}/v1", api_key="any", **{"max_retries": 0, "default_headers": headers, **options})

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.chat.completions.create(**{"model": self.model, "messages": HELLO, **options})

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        return self.plain(client, is_async, stream=True, **options)

    def raw(self, client: Any) -> Any:
        """The resource whose `create` is a call, with the raw accessors on it."""
        return client.chat.completions

    def ask(self) -> dict[str, Any]:
        return {"model": self.model, "messages": HELLO}

    async def helper(self, client: Any, is_async: bool) -> Any:
        manager = client.chat.completions.stream(**self.ask())
        if is_async:
            async with manager as stream:
                return [dump(event) async for event in stream], dump(await stream.get_final_completion())
        with manager as stream:
            return [dump(event) for event in stream], dump(stream.get_final_completion())

    def parse(self, client: Any, is_async: bool) -> Any:
        return client.chat.completions.parse(**self.ask(), response_format=City)

    def stream_type(self, is_async: bool) -> type | None:
        return self.sdk.AsyncStream if is_async else self.sdk.Stream  # type: ignore[no-any-return]


class OpenAIResponses(OpenAIChat):
    name = "openai-responses"

    def ask(self) -> dict[str, Any]:
        return {"model": self.model, "input": "Hello, what does the toll cost?"}

    def raw(self, client: Any) -> Any:
        return client.responses

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.responses.create(**self.ask(), **options)

    async def helper(self, client: Any, is_async: bool) -> Any:
        manager = client.responses.stream(**self.ask())
        if is_async:
            async with manager as stream:
                return [dump(event) async for event in stream], dump(await stream.get_final_response())
        with manager as stream:
            return [dump(event) for event in stream], dump(stream.get_final_response())

    def parse(self, client: Any, is_async: bool) -> Any:
        return client.responses.parse(**self.ask(), text_format=City)

    def with_tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", **FUNCTION, "strict": False}]}


class Anthropic(OpenAIChat):
    name, package, provider, module, model = "anthropic", "anthropic", "anthropic", "anthropic", "claude-haiku-4-5"

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        kind = self.sdk.AsyncAnthropic if is_async else self.sdk.Anthropic
        headers = {"X-Simulator": knobs}
        return kind(base_url=url, api_key="any", **{"max_retries": 0, "default_headers": headers, **options})

    def ask(self) -> dict[str, Any]:
        return {"model": self.model, "messages": HELLO, "max_tokens": 99}

    def raw(self, client: Any) -> Any:
        return client.messages

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.messages.create(**{**self.ask(), **options})

    async def helper(self, client: Any, is_async: bool) -> Any:
        manager = client.messages.stream(**self.ask())
        if is_async:
            async with manager as stream:
                return [text async for text in stream.text_stream], dump(await stream.get_final_message())
        with manager as stream:
            return list(stream.text_stream), dump(stream.get_final_message())

    def parse(self, client: Any, is_async: bool) -> Any:
        return client.messages.parse(**self.ask(), output_format=City)

    def with_tools(self) -> dict[str, Any]:
        return {"tools": [{"name": "weather", "description": "The weather", "input_schema": PARAMETERS}]}


class Groq(OpenAIChat):
    name, package, provider, module, model = "groq", "groq", "groq", "groq", "llama-3.1-8b-instant"
    has_helper = has_parse = False

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        kind = self.sdk.AsyncGroq if is_async else self.sdk.Groq
        headers = {"X-Simulator": knobs}
        return kind(base_url=url, api_key="any", **{"max_retries": 0, "default_headers": headers, **options})

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        """Groq itself counts its streams unasked; the simulator does so when it is asked."""
        return self.plain(
            client, is_async, stream=True, extra_body={"stream_options": {"include_usage": True}}, **options
        )


class GoogleGenAI(Surface):
    name, package, provider, module, model = (
        "google-genai", "google_genai", "gcp.gemini", "google.genai", "gemini-2.0-flash",
    )  # fmt: skip
    operation = "generate_content"
    has_helper = has_parse = has_tools = True

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        return self.sdk.Client(api_key="any", http_options={"base_url": url, "headers": {"X-Simulator": knobs}})

    def _models(self, client: Any, is_async: bool) -> Any:
        return client.aio.models if is_async else client.models

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return self._models(client, is_async).generate_content(model=self.model, contents="Hello", **options)

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        return self._models(client, is_async).generate_content_stream(model=self.model, contents="Hello", **options)

    async def helper(self, client: Any, is_async: bool) -> Any:
        chats = client.aio.chats if is_async else client.chats
        return dump(
            await read(
                await settle(chats.create(model=self.model).send_message_stream("Hello")),
                is_async,
            )
        )

    def parse(self, client: Any, is_async: bool) -> Any:
        return self.plain(client, is_async, config={"response_mime_type": "application/json", "response_schema": City})

    def with_tools(self) -> dict[str, Any]:
        declaration = {"name": "weather", "description": "The weather", "parameters_json_schema": PARAMETERS}
        return {"config": {"tools": [{"function_declarations": [declaration]}]}}


class Ollama(Surface):
    name, package, provider, module, model = "ollama", "ollama", "ollama", "ollama", "llama3.2"
    has_parse = has_tools = True

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        kind = self.sdk.AsyncClient if is_async else self.sdk.Client
        return kind(host=url, headers={"X-Simulator": knobs})

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.chat(self.model, HELLO, **options)

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.chat(self.model, HELLO, stream=True, **options)

    def parse(self, client: Any, is_async: bool) -> Any:
        return client.chat(self.model, HELLO, format=City.model_json_schema())


class Mistral(Surface):
    name, package, provider, module, model = (
        "mistralai", "mistralai", "mistral_ai", "mistralai.client", "mistral-small-latest",
    )  # fmt: skip
    counts_streams = False
    has_parse = has_tools = True

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        import httpx  # noqa: PLC0415  mistralai's own dependency

        http = {"async_client": httpx.AsyncClient(headers={"X-Simulator": knobs})}
        http = http if is_async else {"client": httpx.Client(headers={"X-Simulator": knobs})}
        return self.sdk.Mistral(server_url=f"{url}/@mistral", api_key="any", **http)

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        send = client.chat.complete_async if is_async else client.chat.complete
        return send(model=self.model, messages=HELLO, **options)

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        send = client.chat.stream_async if is_async else client.chat.stream
        return send(model=self.model, messages=HELLO, **options)

    def parse(self, client: Any, is_async: bool) -> Any:
        send = client.chat.parse_async if is_async else client.chat.parse
        return send(response_format=City, model=self.model, messages=HELLO)


class Cohere(Surface):
    name, package, provider, module, model = "cohere", "cohere", "cohere", "cohere", "command-a-03-2025"
    recordings = ("cohere.chat.v2-sync-command-a-03-2025-0c58a8", "cohere.chat.v2-stream-command-a-03-2025-344beb")

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        import httpx  # noqa: PLC0415  cohere's own dependency

        kind, http = (self.sdk.AsyncClientV2, httpx.AsyncClient) if is_async else (self.sdk.ClientV2, httpx.Client)
        return kind(base_url=url, api_key="any", httpx_client=http(headers={"X-Simulator": knobs}))

    def _ask(self, is_stream: bool) -> dict[str, Any]:
        assert self.recordings is not None
        headers = {"X-Recording": self.recordings[is_stream]}
        options = {"additional_headers": headers, "max_retries": 0}
        return {"model": self.model, "messages": HELLO, "request_options": options}

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.chat(**self._ask(False), **options)

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.chat_stream(**self._ask(True), **options)


class Bedrock(Surface):
    name, package, provider, module, model = "bedrock", "bedrock", "aws.bedrock", "boto3", "us.amazon.nova-lite-v1:0"
    flavours = ("sync",)
    recordings = (
        "bedrock.converse-sync-us.amazon.nova-pro-v1-0-3f4f53",
        "bedrock.converse-stream-us.amazon.nova-2-lite-v1-0-32a291",
    )

    def client(self, url: str, is_async: bool, knobs: str = "", **options: Any) -> Any:
        from botocore.config import Config  # noqa: PLC0415  an optional SDK

        client = self.sdk.client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64),
        )
        client.meta.events.register("before-sign.bedrock-runtime.*", functools.partial(self._add_headers, knobs))
        return client

    def _add_headers(self, knobs: str, request: Any, **_: Any) -> None:
        assert self.recordings is not None
        request.headers["X-Simulator"] = knobs
        request.headers["X-Recording"] = self.recordings["stream" in request.url]

    def plain(self, client: Any, is_async: bool, **options: Any) -> Any:
        return client.converse(modelId=self.model, messages=[{"role": "user", "content": [{"text": "Hello"}]}])

    def stream(self, client: Any, is_async: bool, **options: Any) -> Any:
        messages = [{"role": "user", "content": [{"text": "Hello"}]}]
        return client.converse_stream(modelId=self.model, messages=messages)["stream"]


SURFACES: tuple[Surface, ...] = (
    OpenAIChat(), OpenAIResponses(), Anthropic(), Groq(), GoogleGenAI(), Ollama(), Mistral(), Cohere(), Bedrock(),
)  # fmt: skip
STAINLESS = tuple(surface for surface in SURFACES if surface.has_raw)
