"""The DICOM application entities around us: who may talk to the node and how, and whom it calls."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from config.labels import ModelLabel
from config.sections.credentials import require_files
from config.sections.report_objects import ReportObject

AETitle = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[ -\[\]-~]{1,16}$")]
"""PS3.5 table 6.2-1, VR AE: up to 16 characters of the default repertoire, no backslash; outer spaces mean nothing."""
Port = Annotated[int, Field(ge=0, le=65535)]
Network = IPv4Network | IPv6Network


def _single_addresses_too(value: object) -> object:
    return tuple(ip_network(item, strict=False) for item in value) if isinstance(value, (list, tuple)) else value


Networks = Annotated[tuple[Network, ...], BeforeValidator(_single_addresses_too)]
"""Who calls from where: networks, as "10.1.0.0/16", or single addresses."""


def is_in(address: str, networks: Networks) -> bool:
    """Whether an IP address is in one of these; anywhere, where none is named."""
    return not networks or any(ip_address(address) in network for network in networks)


def plain_address(address: str) -> str:
    """An IP address as networks name it: a socket on "::" calls 10.1.2.3 ::ffff:10.1.2.3 (RFC 4291 section 2.5.5.2)."""
    return address.removeprefix("::ffff:") if "." in address else address


class Role(StrEnum):
    """What a peer does with us."""

    SENDER = "sender"
    """It sends instances, and may ask for their storage commitment."""
    DESTINATION = "destination"
    """Our reports go there."""
    ARCHIVE = "archive"
    """It answers our C-FIND, C-MOVE and C-GET."""
    FORWARD = "forward"
    """What we receive is forwarded there, as the rules say (config.sections.rules)."""


class UnknownPeers(StrEnum):
    """What the node does with a caller that no peer is configured for."""

    REFUSE = "refuse"
    LOOPBACK = "loopback"
    """Accepted from this machine itself, refused from anywhere else."""
    ACCEPT = "accept"


class PeerSettings(BaseModel):
    """One application entity that we know, in whatever roles it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32)
    ae_title: AETitle
    roles: tuple[Role, ...] = Field(min_length=1)

    host: str = ""
    """Where we call it; required of a destination, of an archive, and of one that we forward to."""
    port: Port = 104
    tls: bool = False
    """We call it by TLS; a sender must call us by TLS."""

    networks: Networks = ()
    """A sender calls from one of these; empty: from anywhere."""
    called_ae_titles: tuple[AETitle, ...] = ()
    """A sender addresses us by one of these; empty: by whatever the node allows."""
    certificate_common_name: str = ""
    """A sender's certificate carries this subject common name; empty: any that our trusted authorities signed."""
    sop_classes: tuple[str, ...] = ()
    """UIDs or keywords of the storage classes it may send; empty: all of the node's."""
    maximum_associations: int = Field(default=0, ge=0)
    """At once; 0: as many as the node takes in all."""
    quiet_period_s: float = Field(default=0.0, ge=0)
    """Its studies are complete when nothing came for this long; 0: the node's own period."""

    accept_models: tuple[ModelLabel, ...] = (ModelLabel.CLINICAL, ModelLabel.RESEARCH)
    """A destination takes the results of models so labelled."""
    objects: tuple[ReportObject, ...] = Field(default=tuple(ReportObject), min_length=1)
    """What a destination gets of a result."""
    storage_commitment: bool = False
    """A destination counts as having a report only once it has committed to keep it (PS3.4 annex J)."""
    retrieve: Literal["move", "get"] = "move"
    """How an archive gives us a study: C-MOVE to our node, whose address it must know, or C-GET."""

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        called = [role for role in (Role.DESTINATION, Role.ARCHIVE, Role.FORWARD) if role in self.roles]
        if called and not self.host:
            raise ValueError(f"host is needed to call a peer with the role {called[0]}")
        return self

    def calls_from(self, address: str) -> bool:
        """Whether a connection from this IP address can be this peer's."""
        return is_in(address, self.networks)


class TLSSettings(BaseModel):
    """Secure transport (PS3.15 annex B.12, BCP 195): TLS 1.2 or newer, both sides with certificates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: Port
    certificate: str
    private_key: str
    trusted: str
    """PEM bundle of the authorities that signed the peers' certificates."""
    crl: str
    """PEM file of the revocation lists of these authorities, one of each; empty: revocation is not looked at."""
    require_client_certificate: bool
    accept_without_tls: bool
    """Whether the node also listens on its plain port."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        named = [self.certificate, self.private_key, self.trusted]
        if any(named) and not all(named):
            raise ValueError("certificate, private_key and trusted are needed together")
        if not self.enabled and not self.accept_without_tls:
            raise ValueError("accept_without_tls = false needs certificate, private_key and trusted")
        if self.crl and not self.enabled:
            raise ValueError("crl needs certificate, private_key and trusted")
        require_files(*self.files)
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """All that are named."""
        return tuple(name for name in (self.certificate, self.private_key, self.trusted, self.crl) if name)

    @property
    def enabled(self) -> bool:
        """Whether there is a certificate to listen and to call with."""
        return bool(self.certificate)
