"""Where results go as messages: FHIR or HL7 v2, to a folder or to a server (docs/messages.md)."""

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.labels import ModelLabel
from config.sections.credentials import refuse_token_in_the_open, refuse_user_in, require_files, require_port

HierarchicDesignator = Annotated[str, Field(max_length=227, pattern=r"^[ -~]*$")]
"""HL7 v2.5.1 data type HD: a name that both sides know, or name^universal id^type of it."""


class MessageKind(StrEnum):
    """What a result is told in."""

    FHIR = "fhir"
    """FHIR R4: a transaction Bundle of DiagnosticReport, Observations and Device."""
    HL7 = "hl7"
    """HL7 v2.5.1: ORU^R01."""


_SCHEMES = {MessageKind.FHIR: ("http", "https"), MessageKind.HL7: ("mllp", "mllps")}
_SECURE = ("https", "mllps")


class MessageSettings(BaseModel):
    """One receiver of messages; a destination like a PACS, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32)
    kind: MessageKind
    folder: str = ""
    """Each message becomes a file there; this, or `url`."""
    url: str = ""
    """FHIR: http or https, the base of the server. HL7: mllp://host:port, or mllps for MLLP over TLS."""
    accept_models: tuple[ModelLabel, ...] = (ModelLabel.CLINICAL, ModelLabel.RESEARCH)
    """It takes the results of models so labelled."""
    trusted: str = ""
    """PEM bundle of the authorities that signed the server's certificate; empty: the system's."""
    bearer_token_file: str = ""
    """FHIR: a file that holds the token shown to the server; read anew for each message."""
    patient_id_systems: dict[str, str] = Field(default_factory=dict)
    """FHIR: the URI of the namespace of Patient IDs, by the issuer that the images name; "" where they name none."""
    assigning_authority: HierarchicDesignator = ""
    """HL7: who gave out the Patient IDs of images that name no issuer."""
    sending_facility: HierarchicDesignator = ""
    receiving_application: HierarchicDesignator = ""
    receiving_facility: HierarchicDesignator = ""
    """HL7: MSH-4 to MSH-6."""

    @model_validator(mode="after")
    def _one_way_to_send(self) -> Self:
        if bool(self.folder) == bool(self.url):
            raise ValueError("either folder or url is needed")
        return self

    @model_validator(mode="after")
    def _url_is_of_the_kind(self) -> Self:
        if not self.url:
            return self
        parts, schemes = urlsplit(self.url), _SCHEMES[self.kind]
        require_port(parts)
        if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"url of kind {self.kind} is {' or '.join(f'{scheme}://host' for scheme in schemes)}")
        if self.kind is MessageKind.HL7 and (parts.port is None or parts.path not in ("", "/")):
            raise ValueError("url of kind hl7 names a host and a port, as mllp://host:2575, and no path")
        refuse_user_in(parts)
        return self

    @model_validator(mode="after")
    def _secrets_travel_under_tls(self) -> Self:
        if self.bearer_token_file and self.kind is not MessageKind.FHIR:
            raise ValueError("bearer_token_file is for kind fhir alone")
        refuse_token_in_the_open(self.bearer_token_file, is_secure=self.is_secure)
        require_files(self.trusted, self.bearer_token_file)
        return self

    @property
    def is_secure(self) -> bool:
        """Whether the server is called by TLS."""
        return urlsplit(self.url).scheme in _SECURE
