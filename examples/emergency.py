"""Emergency mode: a limit brings it about, the cheapest models answer what matters, and only a person ends it."""

from pathlib import Path

import openai

import tollkeeper

handle = tollkeeper.instrument(policy=Path(__file__).with_name("emergency.toml"))
client = openai.OpenAI(max_retries=0)


def ask(priority: str) -> str:
    with tollkeeper.tags(priority=priority, feature="support"):
        try:
            answer = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=60
            )
        except openai.RateLimitError as denied:
            return f"{denied.reason}, by {denied.limit.name!r}"
        return str(answer.model)


while not handle.emergency:
    print("normal:", ask("normal"))
for priority in ("normal", "high", "high", "critical"):
    print(f"emergency, {priority}:", ask(priority))
handle.leave_emergency(by="ada", reason="the loop is fixed")
print("normal:", ask("normal"))
