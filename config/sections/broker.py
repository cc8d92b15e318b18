"""What carries the wake-ups, and how we show it who we are."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

from config.sections.credentials import require_files, require_port

SECURE_SCHEMES = ("rediss", "amqps")
_SCHEMES = ("filesystem", "redis", *SECURE_SCHEMES, "amqp")


class BrokerSettings(BaseModel):
    """Where it is, with user and password, and by which certificates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    password_file: str
    """A file with the password, in place of one in the URL, which settings and process lists may show."""
    trusted: str
    """PEM of the authority that signed its certificate; empty: the system's."""
    certificate: str
    """PEM of our own, with its key, where it asks for one."""
    private_key: str

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        url = urlsplit(self.url)
        require_port(url)
        if url.scheme not in _SCHEMES:
            raise ValueError(f"url has to begin with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
        if self.password_file and url.password:
            raise ValueError("the password is in url, and password_file names another")
        if (self.trusted or self.certificate or self.private_key) and not self.is_secure:
            raise ValueError(f"certificates need a url of {' or '.join(f'{name}://' for name in SECURE_SCHEMES)}")
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("certificate and private_key belong together")
        require_files(self.password_file, self.trusted, self.certificate, self.private_key)
        return self

    @property
    def is_filesystem(self) -> bool:
        """Whether messages are files of the data folder."""
        return self.url.startswith("filesystem:")

    @property
    def is_secure(self) -> bool:
        """Whether it is spoken to by TLS."""
        return urlsplit(self.url).scheme in SECURE_SCHEMES
