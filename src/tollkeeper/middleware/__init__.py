"""A web app whose own calls are denied answers 429: the whole app, or one framework's exceptions.

`ASGIMiddleware` and `WSGIMiddleware` need no framework. `tollkeeper.middleware.fastapi` and
`tollkeeper.middleware.flask` have a handler each, for apps that answer exceptions themselves.
"""

from tollkeeper.middleware.asgi import ASGIMiddleware
from tollkeeper.middleware.wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "WSGIMiddleware"]
