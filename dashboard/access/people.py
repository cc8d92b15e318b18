"""Who asks: the account behind a request, and whether its role is enough.

A browser shows its session in a cookie; a program a token in `Authorization: Bearer` (RFC 6750).
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from config.sections.dashboard import AccountRole
from dashboard.access.refusals import NotAllowedError, SignInNeededError
from dashboard.installation import Here, Installation
from db.accounts import SignedIn, seen, signed_in

COOKIE = "echoworker_session"
LIVE_HEADER = "x-echoworker-live"
"""What `static/live.js` sends when it refreshes a page by itself."""


def cookie_name(here: Installation) -> str:
    """Of the session; under TLS browsers keep it to this host and to TLS (RFC 6265bis section 4.1.3.2)."""
    return f"__Host-{COOKIE}" if here.settings.dashboard.is_secure else COOKIE


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who asks, and from where."""

    account: SignedIn
    address: str
    """Of the other end, or what a proxy that is believed says of it."""
    form_secret: str
    """What forms of this session carry; see `dashboard.access.forms`. Empty of a program."""

    @property
    def name(self) -> str:
        """Of the account."""
        return self.account.name

    def may(self, role: AccountRole) -> bool:
        """Whether the account's role is this one, or more."""
        return self.account.role.includes(role)

    @property
    def sees_patients(self) -> bool:
        """Whether names, pictures and the text of reports are shown."""
        return self.may(AccountRole.READER)

    @property
    def operates(self) -> bool:
        """Whether the installation may be changed."""
        return self.may(AccountRole.ADMIN)


def address_of(request: Request) -> str:
    """Of whoever asks."""
    return request.client.host if request.client else ""


def _person(request: Request, here: Here) -> Person:
    """The person who asks.

    Raises
    ------
    SignInNeededError
        Nobody is signed in, or not any more.
    """
    cookie = request.cookies.get(cookie_name(here), "")
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    is_program = kind.lower() == "bearer"
    secret = token.strip() if is_program else cookie
    if not secret:
        raise SignInNeededError
    idle = timedelta(minutes=here.settings.dashboard.session_idle_minutes)
    with here.database.read() as session:
        account = signed_in(session, secret, now=here.now(), idle=idle)
    if account is None or account.is_token != is_program:
        raise SignInNeededError
    # A page that refreshes itself is nobody at work.
    if LIVE_HEADER not in request.headers and account.is_to_be_noted(here.now()):
        with here.database.write() as session:
            seen(session, account.sign_in_id, now=here.now())
    person = Person(
        account=account, address=address_of(request), form_secret="" if is_program else form_secret_of(secret)
    )
    request.state.person = person
    return person


def form_secret_of(session_secret: str) -> str:
    """What the forms of a session carry: nobody can make it, or the session's secret from it."""
    return hmac.new(session_secret.encode(), b"echoworker forms", hashlib.sha256).hexdigest()


def _with_role(role: AccountRole) -> Callable[[Person], Person]:
    def require(person: Annotated[Person, Depends(_person)]) -> Person:
        if not person.may(role):
            raise NotAllowedError(role)
        return person

    return require


Viewer = Annotated[Person, Depends(_with_role(AccountRole.VIEWER))]
"""For functions that answer requests: whoever is signed in."""
Reader = Annotated[Person, Depends(_with_role(AccountRole.READER))]
"""... and may see patients."""
Admin = Annotated[Person, Depends(_with_role(AccountRole.ADMIN))]
"""... and may change the installation."""
