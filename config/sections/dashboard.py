"""The web page of an installation, and who may see what there: `[dashboard]` (docs/dashboard.md)."""

from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.sections.credentials import require_files
from config.sections.peers import Port


class AccountRole(StrEnum):
    """What an account may do; each may all that those before it may."""

    VIEWER = "viewer"
    """Sees where studies are and what was answered; nothing that tells whose they are: no names, no pictures."""
    READER = "reader"
    """Sees patients, pictures and reports, and says what they think of a discordance."""
    ADMIN = "admin"
    """Sends again, pauses, changes accounts."""

    def includes(self, other: "AccountRole") -> bool:
        """Whether this role may all that the other may."""
        order = list(AccountRole)
        return order.index(self) >= order.index(other)


class OpenIdSettings(BaseModel):
    """Signing in with the hospital's identity provider (OpenID Connect Core 1.0, code flow with PKCE)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = ""
    """Its URL, as its tokens name it; empty: local accounts alone."""
    client_id: str = ""
    """As which we are registered there."""
    client_secret_file: str = ""
    """A file with the secret of that registration; empty: it has none."""
    trusted: str = ""
    """PEM bundle of the authorities that signed its certificate; empty: the system's."""
    name_claim: str = "preferred_username"
    """Of a token: what the account is called here."""
    roles_claim: str = "groups"
    """Of a token: what decides the role, by the three settings below."""
    viewers: tuple[str, ...] = ()
    """Values of the claim for roles that make a viewer."""
    readers: tuple[str, ...] = ()
    """Values that make a reader."""
    admins: tuple[str, ...] = ()
    """Values that make an admin; the highest role counts, and whoever has none is refused."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if not self.issuer:
            return self
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1"):
            raise ValueError("issuer is an https URL")
        if not self.client_id:
            raise ValueError("issuer needs a client_id")
        if not (self.viewers or self.readers or self.admins):
            raise ValueError("issuer needs viewers, readers or admins: nobody could sign in")
        require_files(self.client_secret_file, self.trusted)
        return self


class DashboardSettings(BaseModel):
    """Where the page listens, and how long whoever signs in stays so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: Port
    """0: there is none."""
    certificate: str
    """PEM file, with the intermediate certificates behind it; empty: HTTP."""
    private_key: str
    """PEM file; empty: HTTP, which is allowed on the loopback, or behind a proxy that speaks TLS."""
    behind_proxy: tuple[str, ...]
    """Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    public_url: str
    """As people's browsers see it; empty: as they ask for it, without `openid`."""
    session_idle_minutes: int = Field(ge=1, le=24 * 60)
    session_hours: int = Field(ge=1, le=24 * 31)
    sessions_of_an_account: int = Field(ge=1)
    """The oldest ends where there would be more."""
    failures_until_locked: int = Field(ge=3)
    """Wrong passwords in a row."""
    locked_minutes: int = Field(ge=1)
    """After so many, no password of the account is looked at for so long."""
    openid: OpenIdSettings

    @model_validator(mode="after")
    def _is_not_in_the_open(self) -> Self:
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("certificate and private_key come together")
        require_files(self.certificate, self.private_key)
        if self.port and not self.is_local and not self.certificate and not self.behind_proxy:
            raise ValueError(
                "passwords and patients would go over the network in the open: give certificate and private_key, or "
                "name the proxy that speaks TLS in behind_proxy"
            )
        return self

    @model_validator(mode="after")
    def _is_known_to_the_provider(self) -> Self:
        if self.openid.issuer and not self.public_url:
            raise ValueError(
                "openid.issuer needs public_url: the provider sends people back there, and whoever asks could name any "
                "other place (Host)"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether only this machine can ask."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by TLS, so that cookies can be kept to it."""
        return bool(self.certificate) or bool(self.behind_proxy) or self.public_url.startswith("https://")

    def password_file(self, data_dir: Path) -> Path:
        """Where the password lies that was made for the first account."""
        return data_dir / "dashboard-password"
