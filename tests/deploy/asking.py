"""An app as a program, whose provider does what it is told on standard input, one JSON object a line.

    python asking.py SIDECAR SPOOL METRICS_PORT

`{"provider": "openai", "tenant": "acme", "times": 3, "knobs": "output-tokens=500"}` makes so many calls, one after the
other, and answers with a line of how many were answered, failed and denied.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import anthropic
import openai

import tollkeeper
from tollkeeper.simulator import Simulator


def main(sidecar: str, spool: str, port: str) -> None:
    with (
        Simulator(seed=1) as simulator,
        tollkeeper.instrument(
            sidecar=sidecar,
            spool=spool,
            prometheus_port=int(port),
            service_name="shop",
            tags={"service": "shop", "feature": "search"},
            until_limits_known="deny",
        ),
        openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any", max_retries=0) as one,
        anthropic.Anthropic(base_url=simulator.base_url("anthropic"), api_key="any", max_retries=0) as other,
    ):
        print("ready", flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            ask = ask_openai if asked["provider"] == "openai" else ask_anthropic
            client: Any = one if asked["provider"] == "openai" else other
            with tollkeeper.tags(tenant=asked["tenant"]):
                print(json.dumps(Counter(outcome(ask, client, asked) for _ in range(asked["times"]))), flush=True)


def outcome(ask: Any, client: Any, asked: dict[str, Any]) -> str:
    try:
        ask(client, asked)
    except tollkeeper.Denied:
        return "denied"
    except (openai.OpenAIError, anthropic.AnthropicError):
        return "failed"
    return "answered"


def ask_openai(client: openai.OpenAI, asked: dict[str, Any]) -> None:
    chunks = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Hello"}],
        max_completion_tokens=1000,
        stream=True,
        extra_headers={"X-Simulator": asked["knobs"]},
    )
    for _ in chunks:
        pass


def ask_anthropic(client: anthropic.Anthropic, asked: dict[str, Any]) -> None:
    client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=100,
        messages=[{"role": "user", "content": "Hello"}],
        extra_headers={"X-Simulator": asked["knobs"]},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
