"""A Flask app; every call carries its request's tenant. `flask --app flask_app run`, metrics on port 9464."""

import anthropic
import flask

import tollkeeper

# TOLLKEEPER_PROMETHEUS_PORT takes another port.
tollkeeper.instrument(service_name="flask-example")
client = anthropic.Anthropic()
app = flask.Flask(__name__)


@app.before_request
def enter_tags() -> None:
    flask.g.tags = tollkeeper.tags(tenant=flask.request.headers.get("X-Tenant"), feature=flask.request.endpoint)
    flask.g.tags.__enter__()


@app.teardown_request
def leave_tags(error: BaseException | None) -> None:
    flask.g.tags.__exit__(None, None, None)


@app.get("/ask")
def ask() -> str:
    answer = client.messages.create(
        model="claude-haiku-4-5", max_tokens=200, messages=[{"role": "user", "content": "Hello"}]
    )
    return answer.content[0].text
