"""Azure OpenAI: AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and OPENAI_API_VERSION are the SDK's own variables.

A deployment's name is no model's name. The answer names the model, and so the price; where it does not, an [[alias]]
in the price file does.
"""

import os

import openai

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    cost = f"${call.cost.usd:f}" if call.cost else call.price_status
    print(
        f"{call.provider} {call.request_model} is {call.response_model}: {call.usage.output_tokens} tokens out, {cost}"
    )


tollkeeper.instrument(on_call=show)

client = openai.AzureOpenAI()
deployment = os.environ.get("AZURE_DEPLOYMENT", "gpt-4o-mini")
client.chat.completions.create(model=deployment, messages=[{"role": "user", "content": "Hello"}])
