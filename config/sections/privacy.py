"""How the registry keeps whose study it is: `[privacy]`."""

import base64
import binascii
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from config.errors import ConfigurationError

KEY_BYTES = 32


class IdentityMode(StrEnum):
    """What `patient_identities` holds; docs/privacy.md says what works in each, and what each reveals."""

    PLAIN = "plain"
    ENCRYPTED = "encrypted"
    """Whoever has the key can read it; without it, only equal values are seen to be equal."""
    PSEUDONYMISED = "pseudonymised"
    """Nobody can read it, but for the date of the study; who has the key finds a patient that they know."""
    EMPTY = "empty"

    @property
    def needs_key(self) -> bool:
        """Whether there is anything to be kept secret by a key."""
        return self in (IdentityMode.ENCRYPTED, IdentityMode.PSEUDONYMISED)


class PrivacySettings(BaseModel):
    """What of patients the registry knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patient_identities: IdentityMode
    key_file: str
    """A file with 32 random bytes in base64."""
    key: SecretStr
    """The same, for those who hand secrets over in the environment."""

    @model_validator(mode="after")
    def _has_a_key_where_it_needs_one(self) -> Self:
        given = bool(self.key_file) + bool(self.key.get_secret_value())
        if self.patient_identities.needs_key and given != 1:
            mode = self.patient_identities.value
            raise ValueError(f"patient_identities = {mode} needs key_file, or key, and not both")
        return self

    def secret(self) -> bytes | None:
        """The key itself; None where the mode needs none.

        Raises
        ------
        ConfigurationError
            Its file cannot be read, or it is no key.
        """
        if not self.patient_identities.needs_key:
            return None
        if self.key_file:
            return key_from(Path(self.key_file))
        return _decoded(self.key.get_secret_value(), "privacy.key")


def key_from(file: Path) -> bytes:
    """The key that a file holds.

    Raises
    ------
    ConfigurationError
        It cannot be read, or holds no key.
    """
    try:
        return _decoded(file.read_text(encoding="ascii"), f"{file}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: the key of patient identities cannot be read") from error


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise ConfigurationError(f"{where}: is not base64; openssl rand -base64 {KEY_BYTES} makes a key") from error
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"{where}: has {len(key)} bytes and not {KEY_BYTES}; openssl rand -base64 {KEY_BYTES} makes a key"
        )
    return key
