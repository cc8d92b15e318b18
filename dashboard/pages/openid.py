"""Signing in with the hospital's identity provider: there, and back."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.errors import AccountError
from dashboard.access import trail
from dashboard.access.openid import LASTS, OpenIdSignIn
from dashboard.access.people import address_of
from dashboard.installation import Here, Installation
from dashboard.pages.account import on_this_site, with_session
from dashboard.rendering import page

router = APIRouter()
BEGIN, ANSWER = "/sign-in/openid", "/sign-in/openid/answer"
NOBODY = "unknown"
"""For the audit trail: who failed to sign in there, it does not tell us."""
_ERROR = re.compile(r"[a-z_]{1,64}")
"""As RFC 6749 section 4.1.2.1 has them; anything else is somebody's own text."""


def _signing_in(request: Request, here: Here) -> OpenIdSignIn:
    if not here.settings.dashboard.openid.issuer:
        raise AccountError("there is no identity provider: dashboard.openid names one")
    state = request.app.state
    if not hasattr(state, "openid"):
        state.openid = OpenIdSignIn(here.settings.dashboard.openid)
    signing_in: OpenIdSignIn = state.openid
    return signing_in


SigningIn = Annotated[OpenIdSignIn, Depends(_signing_in)]
Given = Annotated[str, Query(max_length=4096)]


@router.get(BEGIN)
def begin(request: Request, here: Here, signing_in: SigningIn, next: Given = "/") -> Response:
    """Send the browser to the identity provider."""
    redirect_uri = f"{here.settings.dashboard.public_url.rstrip('/')}{ANSWER}"
    try:
        begun = signing_in.begin(redirect_uri=redirect_uri, next=_kept(next), now=here.now())
    except AccountError as error:
        return _refused(request, error, HTTPStatus.BAD_GATEWAY)
    response = RedirectResponse(begun.address, HTTPStatus.SEE_OTHER)
    secure = here.settings.dashboard.is_secure
    lasts_s = int(LASTS.total_seconds())
    # Lax: it has to come along when the provider sends the browser back.
    response.set_cookie(
        _cookie(here), begun.cookie, max_age=lasts_s, httponly=True, secure=secure, samesite="lax", path="/"
    )
    return response


@router.get(ANSWER)
def answer(
    request: Request,
    here: Here,
    signing_in: SigningIn,
    state: Given = "",
    code: Given = "",
    error: Given = "",
    iss: Given = "",
) -> Response:
    """Begin the session of whoever came back."""
    try:
        _require_code(code, error)
        ended = signing_in.end(here, request.cookies.get(_cookie(here), ""), state=state, code=code, issuer=iss)
    except AccountError as failure:
        trail.signed_in(here, NOBODY, address_of(request), failure=str(failure))
        response = _refused(request, failure, HTTPStatus.UNAUTHORIZED)
    else:
        trail.signed_in(here, ended.name, address_of(request))
        response = with_session(here, RedirectResponse(ended.next, HTTPStatus.SEE_OTHER), ended.secret)
    response.delete_cookie(_cookie(here), secure=here.settings.dashboard.is_secure, httponly=True, samesite="lax")
    return response


def _kept(wanted: str) -> str:
    """Where they want to go, as far as a cookie has room for it."""
    return on_this_site(wanted) if len(wanted) <= 1000 else "/"


def _require_code(code: str, error: str) -> None:
    if error or not code:
        why = error if _ERROR.fullmatch(error) else "no code"
        raise AccountError(f"the identity provider signed nobody in ({why})")


def _cookie(here: Installation) -> str:
    return f"{'__Host-' if here.settings.dashboard.is_secure else ''}echoworker_openid"


def _refused(request: Request, error: AccountError, status: HTTPStatus) -> Response:
    return page(request, "sign_in.html", status=status, next="/", name="", said=str(error), openid=True)
