"""Signing in and out, and one's own account."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.errors import AccountError, TooManySignInsError
from dashboard.access import trail
from dashboard.access.forms import ViewerForm, require_same_site
from dashboard.access.people import Viewer, address_of, cookie_name
from dashboard.access.signing_in import change_own_password, sign_in
from dashboard.installation import Here, Installation
from dashboard.rendering import page
from db.accounts import end

router = APIRouter()


@router.get("/sign-in")
def sign_in_page(request: Request, here: Here, next: str = "/") -> Response:
    """Ask for name and password."""
    openid = bool(here.settings.dashboard.openid.issuer)
    return page(request, "sign_in.html", next=on_this_site(next), name="", said="", openid=openid)


@router.post("/sign-in", dependencies=[Depends(require_same_site)])
def sign_in_with_password(
    request: Request,
    here: Here,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1024)],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session, or say that it is wrong."""
    try:
        secret = sign_in(here, name.strip(), password)
    except AccountError as error:
        is_busy = isinstance(error, TooManySignInsError)
        if not is_busy:
            trail.signed_in(here, name.strip(), address_of(request), failure=str(error))
        status = HTTPStatus.SERVICE_UNAVAILABLE if is_busy else HTTPStatus.UNAUTHORIZED
        openid = bool(here.settings.dashboard.openid.issuer)
        context: dict[str, Any] = {"next": on_this_site(next), "name": name, "said": str(error), "openid": openid}
        return page(request, "sign_in.html", status=status, **context)
    trail.signed_in(here, name.strip(), address_of(request))
    return with_session(here, RedirectResponse(on_this_site(next), HTTPStatus.SEE_OTHER), secret)


@router.post("/sign-out")
def sign_out(here: Here, person: ViewerForm) -> Response:
    """End the session."""
    with here.database.write() as session:
        end(session, person.account.sign_in_id)
    trail.signed_out(here, person)
    # Pictures that the browser keeps go with the session (W3C Clear Site Data).
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER, headers={"Clear-Site-Data": '"cache"'})
    response.delete_cookie(cookie_name(here), secure=here.settings.dashboard.is_secure, httponly=True, samesite="lax")
    return response


@router.get("/account")
def own_account(request: Request, person: Viewer) -> Response:
    """Show who is signed in, and let them change their password."""
    return page(request, "account.html", person, said="", is_wrong=False)


@router.post("/account/password")
def change_password(
    request: Request,
    here: Here,
    person: ViewerForm,
    before: Annotated[str, Form(max_length=1024)],
    after: Annotated[str, Form(max_length=1024)],
) -> Response:
    """Change one's own password."""
    try:
        change_own_password(here, person.account, before=before, after=after)
    except AccountError as error:
        trail.signed_in(here, person.name, person.address, failure=f"password not changed: {error}")
        context = {"said": str(error), "is_wrong": True}
        return page(request, "account.html", person, status=HTTPStatus.BAD_REQUEST, **context)
    trail.own_password_changed(here, person)
    return page(request, "account.html", person, said="the password is changed", is_wrong=False)


def with_session(here: Installation, response: Response, secret: str) -> Response:
    """The answer with the cookie of a session that has begun; it ends with the browser, and no script sees it."""
    secure = here.settings.dashboard.is_secure
    response.set_cookie(cookie_name(here), secret, httponly=True, secure=secure, samesite="lax", path="/")
    return response


def on_this_site(path: str) -> str:
    """Where to go after signing in: on this site, whatever a link says."""
    try:
        parts = urlsplit(path)
    except ValueError:  # "//[": no address at all
        return "/"
    if parts.scheme or parts.netloc or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    return path
