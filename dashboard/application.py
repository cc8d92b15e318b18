"""The web application: every page and every answer, put together."""

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from config.errors import EchoWorkerError
from dashboard import problems
from dashboard.access.headers import SecurityHeaders
from dashboard.access.refusals import ForgedFormError, NotAllowedError, SignInNeededError
from dashboard.api.routes import add_api
from dashboard.installation import Installation
from dashboard.pages import account, accounts, api, discordances, openid, pictures, quality, study, worklist
from dashboard.pages.operations import routes as operations
from dashboard.parameters import require_no_nul
from dashboard.rendering import HERE, VERSION

PAGES = (
    account.router,
    openid.router,
    api.router,
    worklist.router,
    study.router,
    pictures.router,
    discordances.router,
    quality.router,
    operations.router,
    accounts.router,
)
"""In the order in which their paths are looked at."""
LONGEST_BODY = 1 << 18
"""Bytes of a request, which is read whole before it is known who sends it. A thousand deliveries are some 12 kB."""


class _Application(FastAPI):
    """Its headers are around all of it: the answer to a fault of ours is made outside of what `add_middleware` adds."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HEAD, which load balancers ask with, as GET: the server that reads HTTP leaves the body out."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        here: Installation = self.state.installation
        return SecurityHeaders(super().build_middleware_stack(), is_secure=here.settings.dashboard.is_secure)


def create_app(here: Installation) -> FastAPI:
    """The application on this installation."""
    app = _Application(
        dependencies=[Depends(require_no_nul)],
        title="EchoWorker",
        version=VERSION,
        summary="Where studies are, and what was answered.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # FastAPI's own page of it loads from elsewhere
        redoc_url=None,
        max_body_size=LONGEST_BODY,
        exception_handlers={
            SignInNeededError: problems.sign_in_needed,
            NotAllowedError: problems.not_allowed,
            ForgedFormError: problems.not_allowed,
            EchoWorkerError: problems.said_no,
            RequestValidationError: problems.not_understood,
            404: problems.not_found,
            HTTPException: problems.said_by_http,
            500: problems.failed,
        },
    )
    app.state.installation = here
    for router in PAGES:
        app.include_router(router, include_in_schema=False)
    add_api(app)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.middleware("http")(_static_is_asked_again)
    if here.settings.dashboard.behind_proxy:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(here.settings.dashboard.behind_proxy))
    return app


async def _static_is_asked_again(request: Request, call_next: problems.Next) -> Response:
    """Kept by browsers, and asked again by its ETag: after an upgrade nobody sees yesterday's scripts."""
    response = await call_next(request)
    if request.url.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"
    return response
