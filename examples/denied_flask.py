"""A Flask app under limits: who has used up his own gets 429, plain or streamed. `flask --app denied_flask run`."""

from collections.abc import Iterator

import anthropic
import flask

import tollkeeper
from tollkeeper.middleware import WSGIMiddleware
from tollkeeper.middleware.flask import denied_handler
from tollkeeper.model import Limit, Window
from tollkeeper.policy import Policy

three_a_day = Limit("questions", "requests", 3, Window("day"), per=("tenant",))
tollkeeper.instrument(policy=Policy("example", (three_a_day,)))
client = anthropic.Anthropic()
app = flask.Flask(__name__)
app.register_error_handler(tollkeeper.Denied, denied_handler)  # what views raise
app.wsgi_app = WSGIMiddleware(app.wsgi_app)  # what streams raise
question = {"model": "claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}


@app.get("/ask")
def ask() -> str:
    with tollkeeper.tags(tenant=flask.request.headers["X-Tenant"]):
        return client.messages.create(**question).content[0].text


@app.get("/tell")
def tell() -> flask.Response:
    @flask.stream_with_context
    def story() -> Iterator[str]:
        with tollkeeper.tags(tenant=flask.request.headers["X-Tenant"]), client.messages.stream(**question) as stream:
            yield from stream.text_stream

    return flask.Response(story(), mimetype="text/plain")
