"""FastAPI and Starlette, as an exception handler:

    app.add_exception_handler(tollkeeper.Denied, denied_handler)

What is raised after an answer has been started, as in the generator of a `StreamingResponse`, is `ASGIMiddleware`'s.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tollkeeper.capture.denied import STATUS_CODE, Denied
from tollkeeper.middleware import answer


async def denied_handler(request: Request, error: Exception) -> Response:
    """The answer of status 429 to a denial."""
    assert isinstance(error, Denied)
    return Response(answer.body(error), STATUS_CODE, answer.headers(error))
