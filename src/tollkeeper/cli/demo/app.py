"""The demo's app: ordinary code with the real OpenAI and Anthropic SDKs. Of Tollkeeper it knows `tags()` only."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import anthropic
import openai

import tollkeeper
from tollkeeper.cli.demo.plan import ABANDONED_AFTER, Job
from tollkeeper.simulator import Simulator
from tollkeeper.simulator.answers import CHARACTERS_PER_TOKEN, prose

PROVIDER_ERRORS = (openai.OpenAIError, anthropic.AnthropicError)
LONGEST_INSTRUCTIONS = 20_000
"""In tokens."""


class App:
    """Asks what a job says. What the provider answers with an error is no concern of the demo: the table shows it."""

    def __init__(self, simulator: Simulator) -> None:
        self.denied: Counter[str] = Counter()
        """The calls that were not sent, as there was no room for them, by user."""
        self.last_denied: tollkeeper.Denied | None = None
        of_openai: Any = {"base_url": simulator.base_url("openai"), "api_key": "any"}
        of_anthropic: Any = {"base_url": simulator.base_url("anthropic"), "api_key": "any"}
        # A proxy that the environment names is for other hosts than this one.
        self._openai = openai.OpenAI(**of_openai, http_client=openai.DefaultHttpxClient(trust_env=False))
        self._anthropic = anthropic.Anthropic(**of_anthropic, http_client=anthropic.DefaultHttpxClient(trust_env=False))
        self._async_openai = openai.AsyncOpenAI(
            **of_openai, http_client=openai.DefaultAsyncHttpxClient(trust_env=False)
        )
        self._async_anthropic = anthropic.AsyncAnthropic(
            **of_anthropic, http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False)
        )

    def ask(self, job: Job) -> None:
        client = self._anthropic if job.surface == "messages" else self._openai
        with _tags(job):
            try:
                answer = _resource(client, job).create(**_request(job))
                if job.call.stream:
                    with answer as stream:
                        for number, _ in enumerate(stream, 1):
                            if job.accident == "abandoned" and number == ABANDONED_AFTER:
                                break
            except tollkeeper.Denied as denied:
                self._note(job, denied)
            except PROVIDER_ERRORS:
                return

    async def ask_async(self, job: Job) -> None:
        if job.accident != "cancelled":
            await self._ask_async(job, asyncio.Event())
            return
        is_read = asyncio.Event()
        task = asyncio.create_task(self._ask_async(job, is_read))
        await is_read.wait()
        task.cancel()
        await asyncio.wait([task])

    async def _ask_async(self, job: Job, is_read: asyncio.Event) -> None:
        client = self._async_anthropic if job.surface == "messages" else self._async_openai
        with _tags(job):
            try:
                answer = await _resource(client, job).create(**_request(job))
                if job.call.stream:
                    async with answer as stream:
                        number = 0
                        async for _ in stream:
                            number += 1
                            if number == ABANDONED_AFTER:
                                is_read.set()
                                if job.accident == "abandoned":
                                    break
            except tollkeeper.Denied as denied:
                self._note(job, denied)
            except PROVIDER_ERRORS:
                return
            finally:
                is_read.set()

    def _note(self, job: Job, denied: tollkeeper.Denied) -> None:
        self.denied[job.call.user] += 1
        self.last_denied = denied

    async def close(self) -> None:
        self._openai.close()
        self._anthropic.close()
        await self._async_openai.close()
        await self._async_anthropic.close()


def _tags(job: Job) -> tollkeeper.tags:
    return tollkeeper.tags(tenant=job.call.tenant, user=job.call.user, feature=job.call.feature)


def _resource(client: Any, job: Job) -> Any:
    if job.accident == "rate limited":
        # Otherwise the SDK asks again by itself, and mostly gets an answer.
        client = client.with_options(max_retries=0)
    match job.surface:
        case "chat":
            return client.chat.completions
        case "responses":
            return client.responses
        case "messages":
            return client.messages


def _request(job: Job) -> dict[str, Any]:
    """Half of a prompt are instructions that stay the same, which providers cache; half of it is new."""
    call = job.call
    old = call.input_tokens // 2
    instructions = INSTRUCTIONS[: old * CHARACTERS_PER_TOKEN]
    question = prose(random.Random(call.at_seconds), call.input_tokens - old)
    asked = {"model": call.model, "stream": call.stream, "extra_headers": {"X-Simulator": job.knobs()}}
    match job.surface:
        case "responses":
            return {**asked, "instructions": instructions, "input": question}
        case "chat":
            said = [{"role": "system", "content": instructions}, {"role": "user", "content": question}]
            return {**asked, "messages": said}
        case "messages":
            return {
                **asked,
                "max_tokens": 2 * call.output_tokens + 64,
                "system": [{"type": "text", "text": instructions, "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": question}],
            }


INSTRUCTIONS = prose(random.Random(0), LONGEST_INSTRUCTIONS)
