"""A provider fails, and another one answers; it is known how each of them does, and which model is the cheapest."""

from pathlib import Path

import openai

import tollkeeper

here = Path(__file__)
handle = tollkeeper.instrument(policy=here.with_name("failover.toml"), prices=here.with_name("prices.toml"))
client = openai.OpenAI(max_retries=0)


def ask(model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    return str(answer.model)


for _ in range(7):
    print("gpt-4o is answered by", ask("gpt-4o"))
handle.flush()
for each in handle.health():
    print(f"{each.provider}/{each.model}: {each.calls} calls, {each.success:.0%} answered, {each.circuit}")

choice = tollkeeper.cheapest(input_tokens=1_000, output_tokens=500, quality="good")
print(f"the cheapest good one is {choice.model}, for ${choice.usd:.5f}; left out: {dict(choice.left_out)}")
