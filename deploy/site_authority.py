"""A small certificate authority for a site that has none: its own certificate, and those that it signs.

Keys are of the curve P-256 and certificates are signed by ECDSA with SHA-256: every stack speaks them that the secure
transport connection profiles of PS3.15 (annex B) allow.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.errors import ConfigurationError

AUTHORITY_DAYS = 3650
CLOCKS_DIFFER_BY = timedelta(hours=1)
"""A machine whose clock is behind takes a certificate that has just been made."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"({_LABEL}\.)*{_LABEL}")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A certificate to be made."""

    name: str
    """Its common name, and that of its files."""
    hosts: tuple[str, ...] = ()
    """By which others call it: names and addresses, for subjectAltName; none, where nobody calls it."""

    def __post_init__(self) -> None:
        """Refuse names that no file or certificate can have.

        Raises
        ------
        ConfigurationError
            A name or host is none.
        """
        if not _NAME.fullmatch(self.name) or self.name == "authority":
            raise ConfigurationError(
                f"{self.name!r} can be no name of a certificate here: at most 16 letters, digits, '.', '_' and '-', "
                "and not authority"
            )
        for host in self.hosts:
            _alternative(host)


@dataclass(frozen=True)
class Made:
    """The files of a certificate."""

    certificate: Path
    private_key: Path


class SiteAuthority:
    """The authority whose certificate and key lie in `folder`; they are made where neither is there."""

    def __init__(self, folder: Path, *, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)
        self.files = _files(folder, "authority")
        self._folder = folder

    @property
    def is_there(self) -> bool:
        """Whether it has been made before."""
        return self.files.certificate.exists() and self.files.private_key.exists()

    def make(self, wanted: Sequence[Wanted], *, days: int) -> list[Made]:
        """Make the authority, if it is not there, and sign these; nothing is written where one of them is there.

        Raises
        ------
        ConfigurationError
            A file is there already, or those of the authority cannot be used, or it ends before these would.
        OSError
            The folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        places = [_files(self._folder, each.name) for each in wanted]
        if len(set(places)) != len(places):
            raise ConfigurationError("two certificates of one name were asked for")
        _require_free([*places, *([] if self.is_there else [self.files])])
        certificate, key = self._read() if self.is_there else self._make()
        ends = self._now + timedelta(days=days)
        if ends > certificate.not_valid_after_utc:
            raise ConfigurationError(
                f"{self.files.certificate} is valid until {certificate.not_valid_after_utc:%Y-%m-%d}, not for {days} "
                "days more: ask for fewer, or make a new authority in another folder"
            )
        for each, place in zip(wanted, places, strict=True):
            own_key = ec.generate_private_key(ec.SECP256R1())
            signed = self._signed(each, own_key, certificate, key, ends=ends)
            _write(place, signed, own_key)
        return places

    def _make(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"EchoWorker site authority {self._now:%Y-%m-%d}")])
        builder = _builder(name, name, key, self._now, self._now + timedelta(days=AUTHORITY_DAYS))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        _write(self.files, certificate, key)
        return certificate, key

    def _read(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        try:
            certificate = x509.load_pem_x509_certificate(self.files.certificate.read_bytes())
            key = serialization.load_pem_private_key(self.files.private_key.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{self.files.certificate} and {self.files.private_key} are no authority that was made here: name "
                "another folder"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ConfigurationError(f"{self.files.private_key} is not the key of {self.files.certificate}")
        return certificate, key

    def _signed(
        self,
        wanted: Wanted,
        own_key: ec.EllipticCurvePrivateKey,
        authority: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        *,
        ends: datetime,
    ) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.name)])
        builder = _builder(name, authority.subject, own_key, self._now, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        # Whoever speaks DICOM calls and is called: a PACS sends, and is sent reports and commitments.
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        if wanted.hosts:
            alternatives = [_alternative(host) for host in wanted.hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER_BY)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """RFC 5280 section 4.2.1.3."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host) or len(host) > 253:
            raise ConfigurationError(f"{host!r} is neither a host name nor an address") from None
        return x509.DNSName(host)


def _files(folder: Path, name: str) -> Made:
    return Made(certificate=folder / f"{name}.pem", private_key=folder / f"{name}.key")


def _require_free(places: Sequence[Made]) -> None:
    for place in places:
        for file in (place.certificate, place.private_key):
            if file.exists():
                raise ConfigurationError(
                    f"{file} is there already, and is not overwritten: move it away to have a new one, or name another "
                    "folder"
                )


def _write(place: Made, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_new(place.private_key, pem, mode=0o600)
    _write_new(place.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _write_new(file: Path, content: bytes, *, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)  # never over one that is there
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
