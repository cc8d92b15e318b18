"""A page that lists what the API can be asked: from its OpenAPI document, on this server alone."""

from collections import defaultdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from dashboard.access.people import Viewer
from dashboard.api.document import operations_of
from dashboard.api.exports import views
from dashboard.rendering import page

router = APIRouter()
_Operation = dict[str, Any]


@router.get("/api")
def api_page(request: Request, person: Viewer) -> Response:
    """Every operation, by what it is about; and the views that can be taken away."""
    document = request.app.openapi()
    by_tag: dict[str, list[_Operation]] = defaultdict(list)
    for operation in operations_of(document):
        by_tag[operation["tags"][0]].append(_readable(operation))
    context = {"about": document["info"]["description"], "parts": by_tag, "views": views(person)}
    return page(request, "api.html", person, **context)


def _readable(operation: _Operation) -> _Operation:
    answer = operation["responses"]["200"]
    return {
        "method": operation["method"],
        "path": operation["path"],
        "summary": operation["description"],
        "parameters": [
            {
                "name": parameter["name"],
                "where": parameter["in"],
                "needed": parameter.get("required", False),
                "said": parameter.get("description", ""),
                "kind": _kind(parameter["schema"]),
            }
            for parameter in operation.get("parameters", ())
        ],
        "body": _body(operation),
        "answer": ", ".join(f"{kind}: {_kind(content['schema'])}" for kind, content in answer["content"].items()),
    }


def _body(operation: _Operation) -> str:
    if "requestBody" not in operation:
        return ""
    (content,) = operation["requestBody"]["content"].values()
    return _kind(content["schema"])


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", ""))
