"""Flask, as an error handler:

    app.register_error_handler(tollkeeper.Denied, denied_handler)

What the generator of a stream raises comes after Flask's own answer, and is `WSGIMiddleware`'s.
"""

from __future__ import annotations

import flask

from tollkeeper.capture.denied import STATUS_CODE, Denied
from tollkeeper.middleware import answer


def denied_handler(error: Denied) -> flask.Response:
    """The answer of status 429 to a denial."""
    return flask.Response(answer.body(error), STATUS_CODE, answer.headers(error))
