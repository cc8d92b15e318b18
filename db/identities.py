"""How whose study it is is kept in the registry: as it came, encrypted, as pseudonyms, or not at all.

The columns of `patient_identities` and the keys of received reports have types that write what the installation's
`IdentityKeeper` makes of a value, and read it back; the keeper belongs to the engine's dialect (`db.session`), so no
query can forget it. Encryption is AES-SIV (RFC 5297), which is deterministic: equal values of a column are equal
ciphertexts, so that `=` and indexes work on them. That is also what it reveals. A keyed digest beside a randomised
ciphertext would reveal the same, in twice the columns.
"""

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Dialect, String, TypeDecorator
from sqlalchemy.orm import Session

from config.errors import IdentitiesError
from config.sections.privacy import IdentityMode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

ENCRYPTED, PSEUDONYM = "e1:", "p1:"
"""What ciphertexts and pseudonyms begin with: neither is taken for a value."""
_PSEUDONYMS = re.compile(rf"=*{PSEUDONYM}[0-9a-f]{{64}}(=+{PSEUDONYM}[0-9a-f]{{64}})*=*")
"""Of a name one for each component group that has a family name."""


class IdentityField(StrEnum):
    """A column of `patient_identities`."""

    PATIENT_ID = "patient_id"
    PATIENT_NAME = "patient_name"
    BIRTH_DATE = "birth_date"
    ACCESSION_NUMBER = "accession_number"
    STUDY_DATE = "study_date"


class KeyKind(StrEnum):
    """By what a report may be matched."""

    STUDY = "study"
    ACCESSION_NUMBER = "accession number"
    PATIENT = "patient"
    ANY = "any"
    """A study, by a key that was made before identities were converted: then the kinds were not told apart."""


_KIND_OF = {IdentityField.PATIENT_ID: KeyKind.PATIENT, IdentityField.ACCESSION_NUMBER: KeyKind.ACCESSION_NUMBER}


def digest_of(kind: KeyKind, value: str) -> str:
    """SHA-256 of a number with what it is: 64 hexadecimal digits."""
    named = KeyKind.STUDY if kind is KeyKind.ANY else kind
    return hashlib.sha256(f"{named}\0{value.strip()}".encode()).hexdigest()


def family_names(name: str) -> tuple[str, ...]:
    """The family name in each component group of a PN (PS3.5 section 6.2.1), without case, accents and punctuation."""
    return tuple(_bare(group.split("^")[0]) for group in name.split("="))


def _bare(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name.casefold()) if letter.isalnum())


class IdentityKeeper:
    """Makes of each value what the registry keeps of it, and reads that back."""

    def __init__(self, mode: IdentityMode = IdentityMode.PLAIN, secret: bytes | None = None) -> None:
        """`secret` has 32 bytes; only ENCRYPTED and PSEUDONYMISED need it."""
        if mode.needs_key and secret is None:
            raise ValueError(f"identities that are {mode} need a key")
        self.mode = mode
        self._secret = secret or secrets.token_bytes(32)
        """Without a mode that needs one: of no meaning beyond this process."""

    @property
    def fingerprint(self) -> str:
        """Tells keys apart and says nothing of them; the mode's name where there is none."""
        if not self.mode.needs_key:
            return self.mode.value
        return f"{self.mode}:{self._digest('fingerprint', '')[:16]}"

    def kept(self, field: IdentityField, value: str | None) -> str | None:
        """What the registry keeps of a value, without its outer spaces; a pseudonym that was read stays as it is."""
        value = (value or "").strip()
        if not value or self.mode is IdentityMode.EMPTY:
            return None
        if self.mode is IdentityMode.PLAIN:
            return value
        if self.mode is IdentityMode.PSEUDONYMISED and field is not IdentityField.STUDY_DATE:
            return value if _PSEUDONYMS.fullmatch(value) else self._pseudonym(field, value)
        sealed = self._cipher.encrypt(value.encode(), [field.value.encode()])
        return ENCRYPTED + base64.urlsafe_b64encode(sealed).decode("ascii")

    def read(self, field: IdentityField, kept: str | None) -> str | None:
        """The value; its pseudonym, where that is all that is kept.

        Raises
        ------
        IdentitiesError
            It is encrypted, and not by this key.
        """
        if kept is None or not kept.startswith(ENCRYPTED):
            return kept
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  most installations encrypt nothing

        try:
            sealed = base64.urlsafe_b64decode(kept.removeprefix(ENCRYPTED))
            return bytes(self._cipher.decrypt(sealed, [field.value.encode()])).decode()
        except (InvalidTag, ValueError) as error:
            raise IdentitiesError(
                f"patient_identities.{field} is encrypted by another key than [privacy] names: give the one it was "
                "filled with"
            ) from error

    def stands_for(self, field: IdentityField, value: str) -> str | None:
        """What reading it back from the registry gives."""
        return self.read(field, self.kept(field, value))

    def report_key(self, kind: str, digest: str) -> str:
        """What is kept of the digest of something that a report may be matched by; UIDs are no secret."""
        if self.mode is IdentityMode.PLAIN or kind == KeyKind.STUDY:
            return digest
        return self.keyed(digest)

    def keyed(self, digest: str) -> str:
        """A digest that nobody without the key can guess their way back from."""
        return hmac.new(self._subkey("pseudonyms"), digest.encode(), hashlib.sha256).hexdigest()

    def _pseudonym(self, field: IdentityField, value: str) -> str:
        if field is IdentityField.PATIENT_NAME:  # family names alone, group by group: as these are compared
            groups = family_names(value)
            return "=".join(PSEUDONYM + self._digest(field, group) if group else "" for group in groups)
        kind = _KIND_OF.get(field)
        return PSEUDONYM + (self.keyed(digest_of(kind, value)) if kind else self._digest(field, value))

    def _digest(self, purpose: str, value: str) -> str:
        return hmac.new(self._subkey("pseudonyms"), f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()

    def _subkey(self, purpose: str) -> bytes:
        """64 bytes for each purpose, so that none tells anything of another."""
        return hmac.new(self._secret, f"echoworker {purpose}".encode(), hashlib.sha512).digest()

    @cached_property
    def _cipher(self) -> "AESSIV":
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

        if not self.mode.needs_key:
            raise IdentitiesError(
                "patient_identities is encrypted, and [privacy] names no key: set patient_identities and key_file as "
                "they were, or convert with echoworker db identities"
            )
        return AESSIV(self._subkey("encryption"))


def keeper_of(session: Session) -> IdentityKeeper:
    """The one that writes and reads identities in this session."""
    return _keeper(session.get_bind().dialect)


def set_keeper(dialect: Dialect, keeper: IdentityKeeper) -> None:
    """Have this engine's identities kept so."""
    dialect.identity_keeper = keeper  # type: ignore[attr-defined]


def _keeper(dialect: Dialect) -> IdentityKeeper:
    keeper: IdentityKeeper = getattr(dialect, "identity_keeper", None) or IdentityKeeper()
    return keeper


class IdentityText(TypeDecorator[str]):
    """A column of `patient_identities`."""

    impl = String
    cache_ok = True

    def __init__(self, field: IdentityField) -> None:
        super().__init__()
        self.field = field

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is kept of it, to be written or to be found."""
        return _keeper(dialect).kept(self.field, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The value, or its pseudonym."""
        return _keeper(dialect).read(self.field, value)


class ReportKeyText(TypeDecorator[str]):
    """A key of a received report, as `db.consistency.report_matching.matching_key` makes it: `kind:digest`.

    Never read back.
    """

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is kept of it; a pseudonym is that already."""
        if value is None:
            return None
        kind, _, digest = value.partition(":")
        return digest if kind == PSEUDONYM[:-1] else _keeper(dialect).report_key(kind, digest)
