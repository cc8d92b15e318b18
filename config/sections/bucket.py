"""Where hosts with a disk of their own share the files of the spool: a bucket, or whatever fsspec has a URL for."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.sections.credentials import require_files, require_port


class BucketSettings(BaseModel):
    """Which bucket, and how we show it who we are (docs/operations.md, "Several hosts")."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """Bucket and prefix, `s3://bucket/prefix`, or another URL of fsspec; empty: hosts share the spool itself."""
    endpoint_url: str
    """Of a service that speaks S3 and is not the one of that name: `https://objects.hospital`."""
    region: str
    """Of the bucket, where its service asks for one."""
    key_file: str
    """A file with the access key id; empty, as `secret_file`: what the environment gives (variables, roles)."""
    secret_file: str
    """A file with the secret of that key."""
    trusted: str
    """PEM of the authority that signed the certificate of the service; empty: the system's."""
    timeout_s: float = Field(gt=0)
    """How long the service may take to be connected to, and to go on answering."""
    keep_local_h: float = Field(gt=0)
    """How long a host keeps its own copy of what is in the bucket."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        url = urlsplit(self.url)
        if self.url and not url.scheme:
            raise ValueError("url has to name a protocol, as in s3://bucket/prefix")
        if "@" in url.netloc or url.query:
            raise ValueError("url cannot hold a key or a parameter; key_file and secret_file name files with the key")
        if bool(self.key_file) != bool(self.secret_file):
            raise ValueError("key_file and secret_file belong together")
        require_port(urlsplit(self.endpoint_url))
        if self.endpoint_url and (not urlsplit(self.endpoint_url).netloc or "@" in self.endpoint_url):
            raise ValueError("endpoint_url has to begin with https:// or http://, and holds no user")
        if self.url and not self.speaks_s3 and (self.endpoint_url or self.region or self.key_file or self.trusted):
            raise ValueError("endpoint_url, region, keys and trusted are of s3:// alone")
        require_files(self.key_file, self.secret_file, self.trusted)
        return self

    @property
    def speaks_s3(self) -> bool:
        """Whether it is asked by the protocol of S3."""
        return urlsplit(self.url).scheme in ("s3", "s3a")
