"""Signing in with the hospital's identity provider: code flow with PKCE (RFC 7636), each answer good for one time.

What an answer has to fit lies in a cookie of the browser that was sent there, signed by this process: so nobody can
have somebody else's browser end a sign-in that they began, and a flood of beginnings costs nothing.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from config.errors import AccountError
from config.sections.dashboard import AccountRole, OpenIdSettings
from dashboard.access.identity_provider import Asked, IdentityProvider
from dashboard.installation import Installation
from db.accounts import LONGEST_NAME, NAME, begin, end_sessions_of, vouched_for

LASTS = timedelta(minutes=10)
"""How long somebody may take to sign in there."""
LONGEST_HOST = 31
"""Characters of the provider's host, from its end, that are written behind a name."""
_AGAIN = "this sign-in has ended, or was begun in another browser: begin again"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A browser that is sent to the provider."""

    address: str
    """Where it is sent."""
    cookie: str
    """What it keeps meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Somebody who came back, and is who they say."""

    name: str
    secret: str
    """Of the session that begins."""
    next: str
    """Where they wanted to go."""


class OpenIdSignIn:
    """Sign-ins of one process: its restart ends those that have begun, and no session."""

    def __init__(self, wanted: OpenIdSettings) -> None:
        self._wanted = wanted
        self._provider = IdentityProvider(wanted)
        self._key = secrets.token_bytes(32)
        self._used: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def begin(self, *, redirect_uri: str, next: str, now: datetime) -> Begun:
        """Send a browser there.

        Raises
        ------
        AccountError
            The provider cannot be asked.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = Asked(state=state, nonce=nonce, verifier=verifier, redirect_uri=redirect_uri)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        kept = {"asked": asdict(asked), "next": next, "until": (now + LASTS).isoformat()}
        return Begun(address=self._provider.address_for(asked, challenge), cookie=self._signed(kept))

    def end(self, here: Installation, cookie: str, *, state: str, code: str, issuer: str = "") -> Ended:
        """Begin the session of whoever came back with this state and code.

        Raises
        ------
        AccountError
            What came back fits nothing that was begun in this browser, or was used; the provider's token does not
            hold; or its claims give no role here.
        """
        now = here.now()
        kept = self._read(cookie)
        asked = Asked(**kept["asked"])
        if datetime.fromisoformat(kept["until"]) < now or not hmac.compare_digest(asked.state.encode(), state.encode()):
            raise AccountError(_AGAIN)
        if issuer and issuer != self._wanted.issuer:  # RFC 9207
            raise AccountError("the answer is of another identity provider")
        self._use(asked.state, now)
        claims = self._provider.claims_for(code, asked)
        name = known_as(str(claims.get(self._wanted.name_claim) or claims.get("email") or claims["sub"]), self._wanted)
        role = role_of(claims, self._wanted)
        whose = {"issuer": self._wanted.issuer, "subject": str(claims["sub"])}
        if role is None:
            with here.database.write() as session:
                end_sessions_of(session, **whose)
            raise AccountError(f"{name} has no role here: an administrator of the identity provider can give one")
        lasts = timedelta(hours=here.settings.dashboard.session_hours)
        with here.database.write() as session:
            account = vouched_for(session, **whose, name=name, role=role, now=now)
            if account.disabled_at is not None:
                raise AccountError(f"{name} is disabled here")
            at_most = here.settings.dashboard.sessions_of_an_account
            secret = begin(session, account, now=now, lasts=lasts, at_most=at_most)
        return Ended(name=name, secret=secret, next=kept["next"])

    def _use(self, state: str, now: datetime) -> None:
        """Each once: whoever finds an answer in a history or a log can do nothing with it."""
        with self._lock:
            self._used = {used: at for used, at in self._used.items() if at + LASTS >= now}
            if state in self._used:
                raise AccountError(_AGAIN)
            self._used[state] = now

    def _signed(self, kept: Mapping[str, Any]) -> str:
        content = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
        return f"{content}.{self._seal(content)}"

    def _read(self, cookie: str) -> dict[str, Any]:
        content, _, seal = cookie.partition(".")
        if not cookie or not hmac.compare_digest(self._seal(content).encode(), seal.encode()):
            raise AccountError(_AGAIN)
        kept: dict[str, Any] = json.loads(base64.urlsafe_b64decode(content))
        return kept

    def _seal(self, content: str) -> str:
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()


def known_as(name: str, wanted: OpenIdSettings) -> str:
    """What somebody is called in our records: nobody takes them for an account of ours, or of another provider.

    Raises
    ------
    AccountError
        What the provider calls them is none: it could be read as something else.
    """
    if not NAME.fullmatch(name):
        raise AccountError(
            "the identity provider's name for you is none that can be written down (1 to 64 letters, digits or "
            ". @ + - _): name_claim names another claim"
        )
    host = (urlsplit(wanted.issuer).hostname or "")[-LONGEST_HOST:]
    room = LONGEST_NAME - len(host) - 1
    if len(name) > room:  # what is cut off still tells people apart
        name = f"{name[: room - 9]}+{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{name}@{host}"


def role_of(claims: Mapping[str, Any], wanted: OpenIdSettings) -> AccountRole | None:
    """The highest role that the claims give; None: none.

    The claim is a list or one value; where no claim has that name, its dots lead into others, as realm_access.roles.
    """
    given = _claim(claims, wanted.roles_claim)
    values = {given} if isinstance(given, str) else set(_texts(given))
    named = (
        (AccountRole.ADMIN, wanted.admins),
        (AccountRole.READER, wanted.readers),
        (AccountRole.VIEWER, wanted.viewers),
    )
    return next((role for role, groups in named if values & set(groups)), None)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(given: Any) -> Iterable[str]:
    return (each for each in given if isinstance(each, str)) if isinstance(given, list) else ()
