"""What the fields of the filter bar can be: the values that there are, the dearest first."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from tollkeeper.sidecar.web.filters import DIMENSIONS, NONE, zone_names
from tollkeeper.sidecar.web.routes import Show
from tollkeeper.sidecar.web.view import View

MOST = 200
DAYS = timedelta(days=92)


async def values(view: View) -> Response:
    """Of one dimension, as they were in the last three months."""
    name = view.request.path_params["name"]
    if name == "zone":
        return view.page("parts/options.html", values=sorted(zone_names()))
    if name not in DIMENSIONS:
        return view.page("parts/options.html", 404, values=[])
    usage = await view.api.usage(start=view.filters.today - DAYS, group_by=name, details=False)
    dearest = sorted(usage.groups, key=lambda group: (-(group.cost or 0), -group.calls))
    return view.page("parts/options.html", values=[group.group[name] or NONE for group in dearest[:MOST]])


ROUTES = (Show("/filter-values/{name}", values),)
