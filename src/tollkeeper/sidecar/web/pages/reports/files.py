"""Reports as files, for a browser: its sign-in is a cookie, which the API does not know."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from tollkeeper.client.ask import query_of
from tollkeeper.client.errors import error_of
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View

PASSED_ON = ("content-type", "content-disposition")
OWN = ("format", "table", "focus_version")


def asked_of(view: View) -> dict[str, Any]:
    """The bar's range and calls, as arguments of the client's `report`."""
    return view.filters.asked()


async def file(view: View) -> Response:
    """The report of the bar's calls, to be saved."""
    own = {name: view.request.query_params.get(name) for name in OWN}
    path = f"/reports/{quote(view.request.path_params['kind'], safe='')}"
    raw = await view.api.request("GET", path, query_of({**own, **asked_of(view)}))
    if raw.status >= 400:
        raise error_of(raw.status, raw.headers, json.loads(raw.content))
    headers = {name: raw.headers[name] for name in PASSED_ON if name in raw.headers}
    # Of a report that is opened here, our own policy would forbid the styles.
    headers["content-disposition"] = headers.get("content-disposition", "").replace("inline", "attachment")
    return Response(raw.content, headers=headers)


ROUTES = (Show("/reports/files/{kind}", file),)
