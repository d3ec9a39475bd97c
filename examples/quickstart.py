"""The least: one line, and every call of the process is metered and priced. This prints each as it ends."""

import openai

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    usage = call.usage
    cost = f"${call.cost.usd:f}" if call.cost else call.price_status
    print(f"{call.response_model}: {usage.input_tokens} tokens in, {usage.output_tokens} out, {cost}")


tollkeeper.instrument(on_call=show)  # `on_call` is for this example; an app mostly has prometheus_port=… or OTLP

client = openai.OpenAI()
answer = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
)
print(answer.choices[0].message.content)
