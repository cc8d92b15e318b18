"""Whether certificates and revocation lists are valid, and for how long: our own, and those that peers show us."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from config.errors import ConfigurationError
from config.settings import Settings
from dicom_node.findings import Check, Doubt, FaultError
from dicom_node.tls import calling_context

TIMEOUT_S = 5.0
REMEDY = "put new ones in their place, no restart is needed (docs/operations.md)"


def certificates(settings: Settings) -> str:
    """All that `[tls]` names; that of the dashboard is looked at with it (deploy.doctor.dashboard)."""
    now = datetime.now(UTC)
    ends = dict(_ends(settings))
    if not ends:
        return "none: the node speaks no TLS ([tls])"
    if over := [f"{what} since {end:%Y-%m-%d %H:%M} UTC" for what, end in ends.items() if end <= now]:
        raise FaultError(f"out of date: {', '.join(over)}: {REMEDY}")
    within = timedelta(days=settings.monitoring.alerting.certificate_expires_within_days)
    if soon := [f"{what} on {end:%Y-%m-%d}" for what, end in ends.items() if _is_soon(what, end - now, within)]:
        raise Doubt(f"out of date soon: {', '.join(soon)}: {REMEDY}")
    return ", ".join(f"{what} is valid until {end:%Y-%m-%d}" for what, end in ends.items())


def certificate_of(host: str, port: int) -> Check:
    """A check of the certificate that a peer shows us; whether it fits is for C-ECHO to say."""

    def check(settings: Settings) -> str:
        context = calling_context(settings.tls)
        try:
            with (
                socket.create_connection((host, port), timeout=TIMEOUT_S) as connection,
                context.wrap_socket(connection, server_hostname=host) as shown,
            ):
                certificate = shown.getpeercert() or {}
        except (OSError, UnicodeError) as error:
            why = error.reason if isinstance(error, ssl.SSLError) and error.reason else type(error).__name__
            raise Doubt(f"could not be looked at ({why})") from error
        end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
        days = settings.monitoring.alerting.certificate_expires_within_days
        if end - datetime.now(UTC) <= timedelta(days=days):
            raise Doubt(f"is valid until {end:%Y-%m-%d}: tell whoever runs {host}: nothing gets there afterwards")
        return f"valid until {end:%Y-%m-%d}"

    return check


def _is_soon(what: str, left: timedelta, within: timedelta) -> bool:
    """A revocation list is renewed every few days, or weeks: only its last day is soon."""
    return left <= (timedelta(days=1) if what == "tls.crl" else within)


def _ends(settings: Settings) -> Iterator[tuple[str, datetime]]:
    """Of each file the first end of what is in it."""
    tls = settings.tls
    for name, file in {"tls.certificate": tls.certificate, "tls.trusted": tls.trusted}.items():
        if not file:
            continue
        try:
            found = x509.load_pem_x509_certificates(Path(file).read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{name}: {file} holds no certificate that can be read") from error
        yield name, min(certificate.not_valid_after_utc for certificate in found)
    if tls.crl:
        yield "tls.crl", min(_list_ends(Path(tls.crl)))


def _list_ends(file: Path) -> Iterator[datetime]:
    end_of_pem = b"-----END X509 CRL-----"
    try:
        parts = [part + end_of_pem for part in file.read_bytes().split(end_of_pem) if b"BEGIN X509 CRL" in part]
        lists = [x509.load_pem_x509_crl(part) for part in parts]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"tls.crl: {file} holds no revocation list that can be read") from error
    if not lists:
        raise ConfigurationError(f"tls.crl: {file} holds no revocation list")
    for one in lists:
        yield one.next_update_utc or datetime.max.replace(tzinfo=UTC)
