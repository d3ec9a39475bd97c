"""A WSGI app in several processes: `gunicorn -c gunicorn.conf.py gunicorn_app:app`. /metrics is the sum of them all."""

from collections.abc import Callable, Iterable

import openai

import tollkeeper

handle = tollkeeper.instrument(prometheus=True, service_name="gunicorn-example")
client = openai.OpenAI()


def app(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/metrics":
        body, content_type = handle.render_metrics(environ.get("HTTP_ACCEPT", ""))
    else:
        with tollkeeper.tags(tenant=environ.get("HTTP_X_TENANT")):
            answer = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]
            )
        body, content_type = str(answer.choices[0].message.content).encode(), "text/plain"
    start_response("200 OK", [("Content-Type", content_type)])
    return [body]
