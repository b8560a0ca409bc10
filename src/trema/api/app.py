"""The web application: routes over queries, and the page that reads them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor

from trema.api import (
    routes_changes,
    routes_checks,
    routes_export,
    routes_mutes,
    routes_runs,
    routes_series,
    routes_source,
)
from trema.api.answers import Answers
from trema.api.guard import Guard
from trema.api.opening import OPEN, Ticket, fragment
from trema.api.parameters import caller_of, problems
from trema.api.problems import install_problems
from trema.api.running import Running
from trema.api.settings import Settings
from trema.api.static_files import StaticFiles
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
        lifespan=_running,
    )
    app.state.settings = settings
    install_problems(app)
    # the last one added is the first that a request meets
    app.add_middleware(Guard, settings=settings, access=lambda: app.state.running.access)
    app.add_middleware(Answers)
    app.include_router(_api())
    if settings.ticket and settings.token:
        ticket = Ticket(settings.ticket, fragment(settings.token, settings.opens))
        app.add_route(OPEN, ticket.redirect, methods=["GET"], include_in_schema=False)
    page = StaticFiles(settings.static)
    app.add_route("/{path:page}", page.serve, methods=["GET"], include_in_schema=False)
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    running = await run_in_threadpool(Running.open, app.state.settings)
    async with running:
        app.state.running, app.state.store = running, running.store
        yield


def _api() -> APIRouter:
    api = APIRouter(
        prefix="/api",
        dependencies=[Depends(caller_of)],
        responses=problems(401, 403, 421, 422, 429),
    )
    for module in _ROUTES:
        api.include_router(module.router)
    if find_spec("trema.api.receive"):
        api.include_router(import_module("trema.api.receive").router)
    return api


def _operation(route: APIRoute) -> str:
    """``list_runs`` as ``listRuns``: the name of a function in TypeScript."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), route.name)


class _PagePath(Convertor[str]):
    """Any path but those of the API, so that a wrong method there is told as such."""

    regex = "(?!api(?:/|$)).*"

    def convert(self, value: str) -> str:
        """The path as it came."""
        return value

    def to_string(self, value: str) -> str:
        """The path as it came."""
        return value


register_url_convertor("page", _PagePath())
