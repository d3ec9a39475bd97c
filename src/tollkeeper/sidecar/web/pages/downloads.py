"""Files of the API's own answers, for a browser: its sign-in is a cookie, which the API does not know."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.client import NotFound
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View

TABLES = {"usage": "/usage", "calls": "/calls"}
"""What can be had as CSV, and the API's path of it."""
PASSED_ON = ("content-type", "content-disposition", "link")


async def table(view: View) -> Response:
    """A table, by the parameters that the API has for it."""
    name = view.request.path_params["name"]
    if name not in TABLES:
        raise NotFound(404, f"there is no table {name!r}; there are {', '.join(TABLES)}")
    query = list(view.request.query_params.multi_items())
    raw = await view.api.request("GET", TABLES[name], query, headers={"accept": "text/csv"})
    return Response(raw.content, raw.status, {key: raw.headers[key] for key in PASSED_ON if key in raw.headers})


ROUTES = (Show("/download/{name}.csv", table),)
