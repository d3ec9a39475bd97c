"""Your own prices: prices.toml beside this file prices a model of your own, and takes a discount off a listed one."""

from pathlib import Path

import openai

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    if call.cost is None:
        print(f"{call.request_model}: {call.price_status}")
        return
    print(f"{call.request_model}: ${call.cost.usd:f} by {call.cost.source} {call.cost.price_version or ''}")
    for item in call.cost.items:
        print(f"  {item.meter}: {item.quantity} x ${item.unit_price:f}")


tollkeeper.instrument(on_call=show, prices=Path(__file__).with_name("prices.toml"))
client = openai.OpenAI()
for model in ("house-model-7b", "gpt-4o-mini", "team-a-chat", "nobody-knows-this-one"):
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
