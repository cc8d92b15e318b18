"""Until when a certificate is valid (RFC 5280 section 4.1.2.5)."""

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

from config.errors import ConfigurationError

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17


def expiry_of(file: str) -> datetime:
    """The end of the first certificate of a PEM file; aware, UTC.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or there is no certificate in it.
    """
    try:
        found = _FIRST.search(Path(file).read_text(encoding="ascii"))
        if found is None:
            raise ConfigurationError(f"{file}: there is no certificate in it")
        return _not_after(ssl.PEM_cert_to_DER_cert(found.group()))
    except (OSError, ValueError, IndexError) as error:
        raise ConfigurationError(f"{file}: its certificate cannot be read") from error


def _not_after(der: bytes) -> datetime:
    _, start, _ = _element(der, 0)  # Certificate
    _, at, _ = _element(der, start)  # TBSCertificate
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        _, _, end = _element(der, end)  # of a certificate without a version, this was the serialNumber
    for _ in ("signature", "issuer"):
        _, _, end = _element(der, end)
    _, validity, _ = _element(der, end)
    _, _, not_before_ends = _element(der, validity)
    tag, start, end = _element(der, not_before_ends)
    text = der[start:end].decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: from 1950 to 2049
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, and where the content begins and ends (X.690 section 8.1)."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    return tag, start, start + length
