"""The web application: routes over queries, and the page that reads them."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from trema.api import (
    routes_changes,
    routes_checks,
    routes_export,
    routes_mutes,
    routes_runs,
    routes_series,
    routes_source,
)
from trema.api.parameters import problems
from trema.api.settings import Settings
from trema.core.version import __version__

_ROUTES = (
    routes_changes,
    routes_runs,
    routes_series,
    routes_source,
    routes_export,
    routes_checks,
    routes_mutes,
)


def create_app(settings: Settings) -> FastAPI:
    """The application; the store is opened when it starts."""
    app = FastAPI(
        title="Trema",
        version=__version__,
        description="Runs, what was measured in them, and what is wrong with them.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from another origin
        redoc_url=None,
        generate_unique_id_function=_operation,
    )
    app.state.settings = settings
    app.include_router(_api())
    return app


def _api() -> APIRouter:
    # the guard checks the token before a route is looked for; this documents it
    token = Depends(HTTPBearer(auto_error=False, description="The token of the address opened."))
    api = APIRouter(
        prefix="/api", dependencies=[token], responses=problems(401, 403, 421, 422, 429)
    )
    for module in _ROUTES:
        api.include_router(module.router)
    if find_spec("trema.api.receive"):
        api.include_router(import_module("trema.api.receive").router)
    return api


def _operation(route: APIRoute) -> str:
    """``list_runs`` as ``listRuns``: the name of a function in TypeScript."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), route.name)
