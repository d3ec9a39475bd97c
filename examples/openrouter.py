"""OpenRouter through the openai SDK: told by its host, and its own word on the cost is taken where it says one.

OPENAI_BASE_URL=https://openrouter.ai/api/v1 OPENAI_API_KEY=… python openrouter.py
"""

import openai

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    cost = f"${call.cost.usd:f} by {call.cost.source}" if call.cost else call.price_status
    print(f"{call.provider} {call.request_model}: {call.usage.input_tokens} in, {call.usage.output_tokens} out, {cost}")


tollkeeper.instrument(on_call=show)

client = openai.OpenAI()
for model in ("openai/gpt-4o-mini", "anthropic/claude-haiku-4.5"):
    client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Hello"}],
        extra_body={"usage": {"include": True}},
    )
