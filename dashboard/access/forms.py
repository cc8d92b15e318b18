"""Forms that no other site can send in somebody's name (CSRF).

Whatever changes something is a POST with a secret of the session; and browsers say from which site it comes. A
program with a token has no cookie that another site could make a browser send.
"""

import hmac
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request

from dashboard.access.people import Admin, Person, Reader, Viewer
from dashboard.access.refusals import ForgedFormError
from dashboard.installation import Here

FORM_FIELD = "form_secret"


def require_same_site(request: Request, here: Here) -> None:
    """Refuse what a browser says comes from another site.

    Raises
    ------
    ForgedFormError
        It does.
    """
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForgedFormError("this form was sent from another site")
    if origin:  # of a frame in a sandbox, or of a file, it is "null": none of ours
        ours = {request.url.netloc, urlsplit(here.settings.dashboard.public_url).netloc}
        if _host_of(origin) not in ours - {""}:  # which no address of ours is
            raise ForgedFormError("this form was sent from another site: dashboard.public_url names ours")


def _host_of(origin: str) -> str:
    with suppress(ValueError):  # "http://[": no address at all
        return urlsplit(origin).netloc
    return ""


def require_form_secret(person: Person, given: str) -> Person:
    """Refuse what has not the secret of the session that it comes by; a token needs none.

    Raises
    ------
    ForgedFormError
        It has not.
    """
    if not person.account.is_token and not hmac.compare_digest(person.form_secret.encode(), given.encode()):
        raise ForgedFormError("this form has not the secret of your session: go back, load the page again, and repeat")
    return person


_Given = Annotated[str, Form(alias=FORM_FIELD)]
_SameSite = Annotated[None, Depends(require_same_site)]


def _of_viewer(person: Viewer, _same: _SameSite, given: _Given = "") -> Person:
    return require_form_secret(person, given)


def _of_reader(person: Reader, _same: _SameSite, given: _Given = "") -> Person:
    return require_form_secret(person, given)


def _of_admin(person: Admin, _same: _SameSite, given: _Given = "") -> Person:
    return require_form_secret(person, given)


ViewerForm = Annotated[Person, Depends(_of_viewer)]
"""For functions that take a form: whoever is signed in sent it, from a page of ours."""
ReaderForm = Annotated[Person, Depends(_of_reader)]
"""... and may see patients."""
AdminForm = Annotated[Person, Depends(_of_admin)]
"""... and may change the installation."""
