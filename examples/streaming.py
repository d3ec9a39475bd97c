"""Streams keep their SDK's type and chunks. One that is left early is billed all the same: its usage is estimated."""

import anthropic
import openai

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    cost = f"${call.cost.usd:f}" if call.cost else call.price_status
    left = ", left early" if call.abandoned else ""
    print(f"\n{call.request_model}: {call.chunks} chunks, usage by {call.usage_source}, {cost}{left}")


tollkeeper.instrument(on_call=show)
question = [{"role": "user", "content": "Tell me a story."}]

for chunk in openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=question, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)

with anthropic.Anthropic().messages.stream(model="claude-haiku-4-5", max_tokens=300, messages=question) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
    print(stream.get_final_message().stop_reason)

with openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=question, stream=True) as stream:
    print(next(stream).choices[0].delta, "… and that is enough")
