"""Where the registry is, and how we show its server who we are."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

from config.sections.credentials import require_files, require_port, url_with_password


class DatabaseSettings(BaseModel):
    """SQLite in the data folder, or a PostgreSQL server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    password_file: str
    """A file with the password, in place of one in the URL, which settings and process lists may show."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        parts = urlsplit(self.url)
        require_port(parts)
        if self.url and "://" not in self.url:
            raise ValueError("url has to begin with postgresql+psycopg://, or be left out for SQLite in data_dir")
        if self.password_file:
            if not parts.username:
                raise ValueError("password_file needs a url with the user whose password it is")
            if parts.password:
                raise ValueError("the password is in url, and password_file names another")
        require_files(self.password_file)
        return self

    @property
    def url_with_password(self) -> str:
        """The URL to connect with; "" where none is named. Never log it.

        Raises
        ------
        OSError
            The file of the password cannot be read.
        """
        return url_with_password(self.url, self.password_file)
