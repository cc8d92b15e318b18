"""Reports against images: what is compared, by which rules and words, and where reports come in."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from config.sections.peers import Networks


class ReportAgain(StrEnum):
    """Which discordances that came or went make a new report of ours, once the last is built."""

    NEVER = "never"
    MAJOR = "major"
    ANY = "any"


class ConsistencySettings(BaseModel):
    """Whether what the reports of a study say is compared with its images (docs/consistency.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool
    rules: str
    """A file of the site's own rules; empty: the bundled ones."""
    lexicons: tuple[str, ...]
    """Files of a hospital's own words, each laid upon the bundled one of its language."""
    report_again: ReportAgain
    """When a report that comes by HL7 or as a file after ours was built makes another one of ours."""
    host: str
    port: int = Field(ge=0, le=65535)
    """Of the listener for HL7 results (MLLP); 0: there is none."""
    networks: Networks
    """Who may send to it; empty: whoever reaches it."""
    tls: bool
    """It speaks MLLP over TLS, with the certificate of [tls]."""
    folder: str
    """That reports are put into as files; empty: none is watched."""
    window_h: float = Field(gt=0)
    """Hours, at most, between a study and a report that names its patient and a time, and no study."""

    @property
    def receives(self) -> bool:
        """Whether there is anything to listen to, or to watch."""
        return self.enabled and bool(self.port or self.folder)
