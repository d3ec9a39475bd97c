"""A model on one's own machine costs nothing a token, and that is a price: free, which is not the same as unknown.

The `ollama` SDK reads OLLAMA_HOST.
"""

import ollama

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    cost = f"${call.cost.usd:f}" if call.cost else "no cost"
    print(f"{call.provider} {call.request_model}: {call.usage.output_tokens} tokens out, {cost}, {call.price_status}")


tollkeeper.instrument(on_call=show)

question = [{"role": "user", "content": "Why is the sky blue?"}]
ollama.chat(model="llama3.2", messages=question)
for part in ollama.chat(model="llama3.2", messages=question, stream=True):
    print(part.message.content, end="", flush=True)
