"""What is answered when something cannot be: a page to people, JSON (RFC 9457) to programs."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.responses import Response

from config.errors import AccountError, NotFoundError
from config.logs import Event, emit, place_of
from dashboard.rendering import page

Next = Callable[[Request], Awaitable[Response]]
API = "/api/"


async def sign_in_needed(request: Request, _: Exception) -> Response:
    """Nobody is signed in."""
    if request.url.path.startswith(API):
        return _problem(request, HTTPStatus.UNAUTHORIZED, "sign in, or show a token", {"WWW-Authenticate": "Bearer"})
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = "?" + urlencode({"next": there}) if request.method == "GET" and there != "/" else ""
    return RedirectResponse(f"/sign-in{wanted}", HTTPStatus.SEE_OTHER)


async def not_allowed(request: Request, error: Exception) -> Response:
    """The role is not enough, or the form is no form of ours."""
    return _problem(request, HTTPStatus.FORBIDDEN, str(error))


async def said_no(request: Request, error: Exception) -> Response:
    """One of our own errors: its text is for people to read."""
    if isinstance(error, NotFoundError):
        return _problem(request, HTTPStatus.NOT_FOUND, str(error))
    status = HTTPStatus.BAD_REQUEST if isinstance(error, AccountError) else HTTPStatus.CONFLICT
    return _problem(request, status, str(error))


async def not_found(request: Request, error: Exception) -> Response:
    """No such page, or no such thing."""
    detail = getattr(error, "detail", "")
    said = detail if detail and detail != HTTPStatus.NOT_FOUND.phrase else f"there is nothing at {request.url.path}"
    return _problem(request, HTTPStatus.NOT_FOUND, said)


async def said_by_http(request: Request, error: Exception) -> Response:
    """What the web framework refuses, as a method that a path has not."""
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.BAD_REQUEST))
    said = str(getattr(error, "detail", "") or status.phrase)
    return _problem(request, status, said, dict(getattr(error, "headers", None) or {}))


async def not_understood(request: Request, error: Exception) -> Response:
    """A parameter is missing, or is none; what was given is not said again: it may name a patient."""
    errors: Sequence[Any] = getattr(error, "errors", list)()
    said = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in errors)
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, said or "not understood")


async def failed(request: Request, error: Exception) -> Response:
    """A fault of ours: the log says where, and nobody is shown what it was about."""
    emit(Event.DUTY_FAILS, step="dashboard", error=place_of(error))
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "this failed: the log of the dashboard says where")


def _problem(request: Request, status: HTTPStatus, said: str, headers: dict[str, str] | None = None) -> Response:
    if request.url.path.startswith(API):
        content = {"status": status.value, "title": status.phrase, "detail": said}
        return JSONResponse(content, status, headers, media_type="application/problem+json")
    person = getattr(request.state, "person", None)
    shown = page(request, "problem.html", person, status=status, title=status.phrase, said=said)
    shown.headers.update(headers or {})
    return shown
