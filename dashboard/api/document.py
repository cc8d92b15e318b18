"""The OpenAPI document of the API, and what is true of all of it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dashboard.api.answers import PROBLEM

DESCRIPTION = (
    "Where studies are, what was answered, and running the installation. A program shows a token "
    "(echoworker accounts token) as `Authorization: Bearer`; its account's role decides what it may: viewer, reader "
    "(patients, what reports say), admin. Refusals are problems (RFC 9457). Times are UTC, ISO 8601."
)
TOKEN = "token"  # noqa: S105  the name of a scheme


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=f"{app.title} API",
            version=app.version,
            summary=app.summary,
            description=DESCRIPTION,
            routes=app.routes,
        )
        document.setdefault("components", {})["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer"}}
        document["security"] = [{TOKEN: []}]
        for operation in operations_of(document):
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    response["content"] = {PROBLEM: response["content"]["application/json"]}
        app.openapi_schema = document
    return app.openapi_schema


def operations_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Each operation, with its `path` and `method` beside what the document has of it."""
    return [
        operation | {"path": path, "method": method.upper()}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
