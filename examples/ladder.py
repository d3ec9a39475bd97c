"""As a budget fills: a cheaper model, shorter answers, low priorities shed, calls throttled, and at last denied."""

from pathlib import Path

import openai

import tollkeeper

tollkeeper.instrument(policy=Path(__file__).with_name("ladder.toml"))
client = openai.OpenAI(max_retries=0)


def ask(feature: str, priority: str = "normal") -> str:
    with tollkeeper.tags(tenant="acme", feature=feature, priority=priority):
        try:
            answer = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Tell me a story"}], max_completion_tokens=20
            )
        except openai.RateLimitError as denied:
            return f"{denied.reason}, by {denied.limit.name!r}"
        return f"{answer.model}, {answer.usage.completion_tokens} tokens"


for _ in range(6):
    print(ask("chat"))
print("of low priority:", ask("digest", priority="low"))
for feature in ("chat", "chat", "chat", "search", "chat"):
    print(f"{feature}:", ask(feature))
