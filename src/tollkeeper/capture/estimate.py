"""What a stream that broke off has used, as far as we can tell. Estimates are always marked as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tollkeeper.capture.payload import estimate_tokens, texts_in
from tollkeeper.model import Call, Usage

PROMPT_FIELDS = ("messages", "input", "instructions", "system", "prompt", "contents", "tools", "suffix")


def estimate(call: Call, body: Mapping[str, Any], received: Iterable[str], said: Usage) -> None:
    """Fill in what the provider did not say: the input from the request's texts, the output from the texts received.

    `said` is what it did say, such as the input of an Anthropic stream that broke off: then only the output is ours.
    """
    output = estimate_tokens(*received)
    if said.input_tokens is not None:
        call.usage = said._replace(output_tokens=output)
        call.usage_source = "partial"
        return
    prompt = [body[name] for name in PROMPT_FIELDS if name in body]
    call.usage = Usage(input_tokens=estimate_tokens(*texts_in(prompt)), output_tokens=output)
    call.usage_source = "estimated"
