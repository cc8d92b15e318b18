"""DICOMweb servers that our objects go to, by STOW-RS (PS3.18 section 10.5)."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.labels import ModelLabel
from config.sections.credentials import refuse_token_in_the_open, refuse_user_in, require_files, require_port
from config.sections.report_objects import ReportObject


class DicomWebSettings(BaseModel):
    """One server; a destination like a PACS, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32)
    url: str
    """http or https, the base of its DICOMweb service: what `/studies` follows."""
    accept_models: tuple[ModelLabel, ...] = (ModelLabel.CLINICAL, ModelLabel.RESEARCH)
    """It takes the results of models so labelled."""
    objects: tuple[ReportObject, ...] = Field(default=tuple(ReportObject), min_length=1)
    """What it gets of a result."""
    compressed: bool = True
    """It takes pictures in JPEG; false: they go uncompressed, some twenty times as large."""
    trusted: str = ""
    """PEM bundle of the authorities that signed the server's certificate; empty: the system's."""
    bearer_token_file: str = ""
    """A file that holds the token shown to the server; read anew for each association of objects."""

    @model_validator(mode="after")
    def _url_is_that_of_a_server(self) -> Self:
        parts = urlsplit(self.url)
        require_port(parts)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url is https://host or http://host, with the path of the DICOMweb service")
        refuse_user_in(parts)
        return self

    @model_validator(mode="after")
    def _secrets_travel_under_tls(self) -> Self:
        refuse_token_in_the_open(self.bearer_token_file, is_secure=self.is_secure)
        require_files(self.trusted, self.bearer_token_file)
        return self

    @property
    def is_secure(self) -> bool:
        """Whether the server is called by TLS."""
        return urlsplit(self.url).scheme == "https"
