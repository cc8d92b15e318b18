"""The storage SCP, who called it, and the audit trail of what it did."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from config.sections.peers import AETitle, Port, UnknownPeers
from config.sections.time_limits import Seconds


class NodeSettings(BaseModel):
    """The storage SCP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ae_title: AETitle
    host: str
    port: Port
    require_called_ae_title: bool
    unknown_peers: UnknownPeers
    processes: int = Field(ge=1, le=64)
    receive_path: Literal["fast", "stock"]
    maximum_associations: int = Field(ge=1)
    maximum_waiting: int = Field(ge=1)
    maximum_waiting_of_one_address: int = Field(ge=1)
    request_timeout_s: Seconds
    maximum_pdu_bytes: int = Field(ge=4096)
    idle_timeout_s: Seconds
    drain_timeout_s: Seconds
    minimum_free_bytes: int = Field(ge=0)


class CallersSettings(BaseModel):
    """How many of those who called the node are remembered one by one; anybody may call under any AE title."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(ge=1)
    of_one_address: int = Field(ge=3)
    in_all: int = Field(ge=3)


class AuditSettings(BaseModel):
    """Where the audit trail goes (PS3.15 annex A.5): to files, and from them to an audit record repository.

    PS3.15 A.5.3 has every transfer name its patient, so that a hospital can answer who saw whose images. The trail is
    therefore the one log that holds patient IDs: the ID alone, never name, birth date or accession number. Guard the
    folder and the repository as you guard the images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    refusals_told: int = Field(ge=1)
    syslog: str = Field(pattern=r"^$|^.+:\d{1,5}$")
    syslog_trusted: str
