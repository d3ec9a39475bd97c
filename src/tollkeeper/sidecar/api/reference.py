"""`/docs`: the OpenAPI document for people. Swagger UI comes from here, so that it works where there is no internet."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PAGE, FILES = "/docs", "/docs/files"


def install_reference(app: FastAPI) -> None:
    """Add the page, and what it is made of."""
    router = APIRouter(include_in_schema=False)

    @router.get(PAGE)
    async def docs() -> HTMLResponse:
        # Relative to the page, as a proxy may have put all of it below another path.
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url=f"{FILES[1:]}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES[1:]}/swagger-ui.css",
            swagger_favicon_url=f"{FILES[1:]}/favicon.png",
        )

    app.include_router(router)
    app.mount(FILES, StaticFiles(directory=str(files("fastapi_offline") / "static")))
