"""All of the API, under /api/v1, and its document."""

from functools import partial

from fastapi import APIRouter, FastAPI

from dashboard.api import deliveries, discordances, exports, health, model, node, quality, queues, studies
from dashboard.api.document import document_of

PREFIX = "/api/v1"
PARTS = (studies, discordances, queues, deliveries, node, quality, model, health, exports)
"""In the order of the document."""


def add_api(app: FastAPI) -> None:
    """Have the application answer by the API as well."""
    every = APIRouter(prefix=PREFIX)
    for part in PARTS:
        every.include_router(part.router)
    app.include_router(every)
    app.openapi = partial(document_of, app)  # type: ignore[method-assign]  # as FastAPI would have it
