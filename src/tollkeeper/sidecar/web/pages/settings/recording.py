"""Recording: what is kept and how long, what apps may capture, and every option of the sidecar with its source."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.config import DEFAULTS, OPTIONS
from tollkeeper.sidecar.web.view import View

FIRST = ("retention_days", "metric_label_sets", "forward", "public_url", "trace_url", "forecast_alert")
"""Options of the sidecar that people look for first."""
OF_APPS = ("capture_content", "redact", "hash_prompts", "metric_tags", "metric_label_sets", "tags", "log_calls")
"""Options of apps that decide what is recorded of a call, and by what it can be told apart."""


async def show(view: View) -> Response:
    """Those that were set, and those that were not."""
    found = await view.together(**({"settings": view.api.settings()} if view.may("admin") else {}))
    settings = found["settings"].settings if found.get("settings") else []
    by_name = {each.name: each for each in settings}
    return view.page(
        "settings/recording.html", title="Settings", tab="recording", answer=found.get("settings"), settings=settings,
        first=[by_name[name] for name in FIRST if name in by_name],
        of_apps=[(option, getattr(DEFAULTS, option.name)) for option in OPTIONS if option.name in OF_APPS],
    )  # fmt: skip
