"""The hospital's identity provider, as a client of it sees it (OpenID Connect Core 1.0 and Discovery 1.0)."""

import hmac
import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import KeySet

from config.errors import AccountError
from config.sections.dashboard import OpenIdSettings

LEEWAY_S = 120
"""By how much clocks may differ."""
KEPT_FOR_S = 3600.0
"""How long what it says of itself is believed without asking."""
ASKED_AGAIN_AFTER_S = 30.0
"""A token with an unknown key may come of a change of keys; whoever makes up tokens cannot have us ask all the time."""
AWAY_FOR_S = 10.0
"""A provider that was not to be asked is not asked again for so long: each time takes a thread until `TIMEOUT_S`."""
TIMEOUT_S = 10.0
LONGEST_ANSWER = 1 << 20
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a private key; none, and none by a secret that is shared (RFC 8725 section 3.1)."""
SCOPE = "openid profile email"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was sent along when somebody was sent there, and has to fit what comes back."""

    state: str
    nonce: str
    verifier: str
    """Of PKCE (RFC 7636): 43 characters or more."""
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the provider says of itself."""

    authorization: str
    token: str
    keys: str
    posts_secret: bool
    """The client's secret goes in the form: it takes it in no other way."""
    at: float
    """By `time.monotonic`."""


class IdentityProvider:
    """One provider; safe for several threads. Nothing is asked before somebody signs in."""

    def __init__(self, wanted: OpenIdSettings) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._failed: tuple[float, str] | None = None

    def address_for(self, asked: Asked, challenge: str) -> str:
        """Where a browser is sent to sign in; `challenge` is that of PKCE, S256.

        Raises
        ------
        AccountError
            The provider cannot be asked where that is.
        """
        address = self._about().authorization
        query = {
            "response_type": "code",
            "client_id": self._wanted.client_id,
            "redirect_uri": asked.redirect_uri,
            "scope": SCOPE,
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"

    def claims_for(self, code: str, asked: Asked) -> dict[str, Any]:
        """What the provider says of whoever came back with this code: the claims of an ID token that holds.

        Raises
        ------
        AccountError
            It gives no token for the code, cannot be asked, or the token does not hold; the message says why.
        """
        about = self._about()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        secret = self._secret()
        basic = None
        if secret and not about.posts_secret:
            basic = httpx2.BasicAuth(self._wanted.client_id, secret)
        else:
            form |= {"client_id": self._wanted.client_id} | ({"client_secret": secret} if secret else {})
        answer = self._ask("POST", about.token, data=form, auth=basic)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise AccountError("the identity provider gave no ID token: does it know openid as a scope of this client?")
        return self._checked(token, asked.nonce)

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        """OpenID Connect Core section 3.1.3.7.

        Raises
        ------
        AccountError
            The token does not hold.
        """
        claims = self._signed(token)
        needed = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._wanted.issuer},
            aud={"essential": True, "value": self._wanted.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            needed.validate(claims)
        except ClaimError as error:
            raise AccountError(f"the ID token does not hold: {error.description} ({error.claim})") from error
        audience = claims["aud"]
        party = claims.get("azp")
        if party is None and isinstance(audience, list) and len(audience) > 1:
            raise AccountError(
                "the ID token does not hold: it is for several clients, and does not say for which (azp)"
            )
        if party is not None and party != self._wanted.client_id:
            raise AccountError("the ID token does not hold: it was given to another client (azp)")
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
            raise AccountError("the ID token does not hold: it answers another sign-in (nonce)")
        if len(claims["sub"]) > 255:  # Core section 2
            raise AccountError("the ID token does not hold: its subject has a name of over 255 characters (sub)")
        return claims

    def _signed(self, token: str) -> dict[str, Any]:
        for is_last in (False, True):
            try:
                return dict(jwt.decode(token, self._key_set(anew=is_last), algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError) as error:
                if is_last:
                    raise AccountError("the ID token does not hold: its signature is not the provider's") from error
        raise AssertionError

    def _about(self) -> _Known:
        with self._lock:
            if self._known is not None and time.monotonic() - self._known.at < KEPT_FOR_S:
                return self._known
            if self._failed is not None and time.monotonic() - self._failed[0] < AWAY_FOR_S:
                raise AccountError(self._failed[1])
        try:
            known = self._discovered()
        except AccountError as error:
            with self._lock:
                self._failed = time.monotonic(), str(error)
            raise
        with self._lock:
            self._known, self._failed = known, None
        return known

    def _discovered(self) -> _Known:
        issuer = self._wanted.issuer
        said = self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != issuer:  # Discovery section 4.3
            raise AccountError(
                "the identity provider has another name than dashboard.openid.issuer: write it as it does"
            )
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Known(
            authorization=self._address(said, "authorization_endpoint"),
            token=self._address(said, "token_endpoint"),
            keys=self._address(said, "jwks_uri"),
            posts_secret="client_secret_basic" not in methods and "client_secret_post" in methods,
            at=time.monotonic(),
        )

    def _address(self, said: Mapping[str, Any], name: str) -> str:
        address = said.get(name)
        secure = ("https",) if self._wanted.issuer.startswith("https:") else ("https", "http")
        if not isinstance(address, str) or urlsplit(address).scheme not in secure:
            raise AccountError(f"the identity provider names no {name} that can be used")
        return address

    def _key_set(self, *, anew: bool) -> KeySet:
        with self._lock:
            kept = self._keys
        age_s = None if kept is None else time.monotonic() - kept[0]
        if kept is not None and age_s is not None and age_s < (ASKED_AGAIN_AFTER_S if anew else KEPT_FOR_S):
            return kept[1]
        said = self._ask("GET", self._about().keys)
        keys = [key for key in said.get("keys", ()) if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        keys = [key for key in keys if key.get("kty") in ("RSA", "EC", "OKP")]
        try:
            found = KeySet.import_key_set({"keys": keys})
        except (JoseError, ValueError) as error:
            raise AccountError("the identity provider's keys cannot be read") from error
        with self._lock:
            self._keys = (time.monotonic(), found)
        return found

    def _secret(self) -> str:
        file = self._wanted.client_secret_file
        try:
            return Path(file).read_text(encoding="utf-8").strip() if file else ""
        except (OSError, UnicodeError) as error:
            raise AccountError("dashboard.openid.client_secret_file cannot be read") from error

    def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """What it answers, as JSON.

        Raises
        ------
        AccountError
            It does not, or not so.
        """
        # No proxy of the environment, and no redirect: what it is told goes to it alone.
        trusted = ssl.create_default_context(cafile=self._wanted.trusted or None)
        try:
            with (
                httpx2.Client(verify=trusted, trust_env=False, timeout=TIMEOUT_S) as client,
                client.stream(method, url, headers={"Accept": "application/json"}, **more) as response,
            ):
                content = b""
                for some in response.iter_bytes():
                    content += some
                    if len(content) > LONGEST_ANSWER:
                        raise AccountError("the identity provider answers more than an answer can be")
                status = response.status_code
        except (httpx2.HTTPError, OSError) as error:
            raise AccountError("the identity provider cannot be reached: check issuer, network and trusted") from error
        if status != 200:
            raise AccountError(f"the identity provider refused (HTTP {status}); its own log says why")
        try:
            said = json.loads(content)
        except ValueError as error:
            raise AccountError("the identity provider answers what is no JSON") from error
        if not isinstance(said, dict):
            raise AccountError("the identity provider answers what is no JSON object")
        return said
