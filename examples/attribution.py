"""Whose call is it? The nearer word wins: defaults, `tags()` blocks, the SDK's own fields, one call's headers."""

import openai

import tollkeeper


def show(call: tollkeeper.Call) -> None:
    print(" ".join(f"{name}={value}" for name, value in sorted(call.tags.items())))


tollkeeper.instrument(on_call=show, tags={"service": "shop", "tenant": "nobody"})
client = openai.OpenAI()
question = [{"role": "user", "content": "Hello"}]


@tollkeeper.tags(feature="greeting")
def greet(**options: object) -> None:
    client.chat.completions.create(model="gpt-4o-mini", messages=question, **options)


greet()

with tollkeeper.tags(tenant="acme", user="u-17", experiment="blue"):
    greet()
    with tollkeeper.tags(experiment=None):
        greet(user="u-18", extra_headers={"x-tollkeeper-feature": "farewell"})
