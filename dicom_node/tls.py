"""Secure transport: PS3.15 annex B.12, the BCP 195 (RFC 8996, RFC 9325) TLS profile."""

import ssl
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from config.errors import ConfigurationError
from config.logs import Event, emit
from config.sections.node import AuditSettings
from config.sections.peers import TLSSettings

TLS_1_2_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-AES128-GCM-SHA256",
)
"""RFC 9325 section 4.2: forward secrecy and authenticated encryption alone. TLS 1.3 brings its own."""


END_OF_PEM = "-----END CERTIFICATE-----"


class HandshakeFailure(StrEnum):
    """Why a handshake with a caller came to nothing, in the words of the list of callers and the audit trail."""

    NO_CERTIFICATE = "TLS: no certificate shown"
    NOT_TRUSTED = "TLS: certificate of an authority that is not trusted"
    OUT_OF_DATE = "TLS: certificate out of date"
    REVOKED = "TLS: certificate revoked"
    NO_REVOCATION_LIST = "TLS: no valid revocation list of the authority that signed the certificate"
    NOT_VALID = "TLS: certificate not valid"
    OURS_REFUSED = "TLS: our certificate is not accepted"
    OLD_VERSION = "TLS: older than TLS 1.2"
    NO_COMMON_CIPHER = "TLS: no cipher suite in common"
    NOT_TLS = "TLS: does not speak TLS"
    TOO_SLOW = "TLS: handshake not finished in time"
    HUNG_UP = "TLS: hung up before the end of the handshake"
    OTHER = "TLS: handshake failed"


_BY_OPENSSL_REASON = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": HandshakeFailure.NO_CERTIFICATE,
    "UNSUPPORTED_PROTOCOL": HandshakeFailure.OLD_VERSION,
    "NO_SHARED_CIPHER": HandshakeFailure.NO_COMMON_CIPHER,
    "WRONG_VERSION_NUMBER": HandshakeFailure.NOT_TLS,
    "HTTP_REQUEST": HandshakeFailure.NOT_TLS,
    "TLSV1_ALERT_UNKNOWN_CA": HandshakeFailure.OURS_REFUSED,
    "SSLV3_ALERT_BAD_CERTIFICATE": HandshakeFailure.OURS_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": HandshakeFailure.OURS_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": HandshakeFailure.OURS_REFUSED,
}
_BY_VERIFY_CODE = {
    2: HandshakeFailure.NOT_TRUSTED,
    3: HandshakeFailure.NO_REVOCATION_LIST,
    8: HandshakeFailure.NO_REVOCATION_LIST,
    9: HandshakeFailure.OUT_OF_DATE,
    10: HandshakeFailure.OUT_OF_DATE,
    11: HandshakeFailure.NO_REVOCATION_LIST,
    12: HandshakeFailure.NO_REVOCATION_LIST,
    18: HandshakeFailure.NOT_TRUSTED,
    19: HandshakeFailure.NOT_TRUSTED,
    20: HandshakeFailure.NOT_TRUSTED,
    21: HandshakeFailure.NOT_TRUSTED,
    23: HandshakeFailure.REVOKED,
}
"""OpenSSL's X509_V_ERR_*: issuer unknown, revocation list missing or out of date, not yet or no longer valid,
self-signed, chain that ends nowhere, revoked."""


def handshake_failure(error: OSError) -> HandshakeFailure:
    """What went wrong in a handshake that we were the server of."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, HandshakeFailure.NOT_VALID)
    if isinstance(error, TimeoutError):
        return HandshakeFailure.TOO_SLOW
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return HandshakeFailure.HUNG_UP
    return _BY_OPENSSL_REASON.get(error.reason or "", HandshakeFailure.OTHER)


def listening_context(tls: TLSSettings) -> ssl.SSLContext:
    """What the node listens with.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, tls)
    context.verify_mode = ssl.CERT_REQUIRED if tls.require_client_certificate else ssl.CERT_OPTIONAL
    return context


class ListeningContext:
    """The context that the node listens with, made anew when a file of it has changed; for one thread."""

    def __init__(self, tls: TLSSettings) -> None:
        """Read the files.

        Raises
        ------
        ConfigurationError
            As `listening_context`.
        """
        self._tls = tls
        self._state = self._state_of_files()
        self._context = listening_context(tls)

    def current(self) -> ssl.SSLContext:
        """The context for the next connection. While the files cannot be used, the one before stays."""
        state = self._state_of_files()
        if state != self._state:
            self._state = state
            try:
                self._context = listening_context(self._tls)
            except ConfigurationError as error:
                emit(Event.CERTIFICATES_UNUSABLE, reason=str(error))
            else:
                emit(Event.CERTIFICATES_READ_ANEW)
        return self._context

    def _state_of_files(self) -> list[tuple[int, int, int] | None]:
        return [_state_of(name) for name in self._tls.files]


def _state_of(name: str) -> tuple[int, int, int] | None:
    try:
        state = Path(name).stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def audit_context(audit: AuditSettings, tls: TLSSettings) -> ssl.SSLContext:
    """What we call the audit record repository with (RFC 5425); our certificate is shown where there is one.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """
    return client_context(tls, trusted=audit.syslog_trusted, setting="audit.syslog_trusted")


def client_context(tls: TLSSettings, *, trusted: str, setting: str) -> ssl.SSLContext:
    """What we call a server with that is no DICOM peer; our certificate is shown where there is one.

    `trusted` is the PEM bundle of its authorities, empty for the system's; `setting` is what names it.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """
    context = _bare_context(ssl.PROTOCOL_TLS_CLIENT)
    if tls.enabled:
        _show(context, tls)
    if trusted:
        _trust(context, trusted, setting)
    else:
        context.load_default_certs()
    return context


def calling_context(tls: TLSSettings) -> ssl.SSLContext:
    """What we call peers with: their certificate must be signed by an authority that we trust, for their host name.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, tls)


def own_node_context(tls: TLSSettings, shown: TLSSettings | None = None) -> ssl.SSLContext:
    """What we call our own node with, by whatever name: it must show the very certificate of the settings.

    `shown` names what we show it, in place of the same.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """
    context = _bare_context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _show(context, shown or tls)
    pem = Path(tls.certificate).read_text(encoding="ascii")  # its own comes first, then those of its authorities
    context.load_verify_locations(cadata=pem[: pem.index(END_OF_PEM) + len(END_OF_PEM)])
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def own_refusal(tls: TLSSettings) -> HandshakeFailure | None:
    """Why our own node would not take our own certificate from who calls it; None where it does. Nobody is called.

    Raises
    ------
    ConfigurationError
        A certificate or key cannot be used; the message names the file.
    """
    to_node, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    node = listening_context(tls).wrap_bio(to_node, to_caller, server_side=True)
    caller = own_node_context(tls).wrap_bio(to_caller, to_node)
    try:
        for end in (caller, node, caller, node):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLError as error:
        return handshake_failure(error)
    return None


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """The subject common name of a peer's certificate, as `ssl.SSLSocket.getpeercert` gives it; empty without one."""
    subject = (certificate or {}).get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return str(names[0]) if names else ""


def _context(protocol: int, tls: TLSSettings) -> ssl.SSLContext:
    context = _bare_context(protocol)
    _show(context, tls)
    _trust(context, tls.trusted, "tls.trusted")
    if tls.crl:
        _revoke(context, tls.crl)
    return context


def _revoke(context: ssl.SSLContext, lists: str) -> None:
    """Have the certificate of a peer looked up in the revocation list of its authority, which must be there."""
    trusted = context.cert_store_stats()["x509"]
    try:
        context.load_verify_locations(lists)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls.crl {lists}: holds no revocation list that can be used") from error
    held = context.cert_store_stats()
    if not held["crl"] or held["x509"] != trusted:
        raise ConfigurationError(f"tls.crl {lists}: is to hold revocation lists, and no certificates")
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _bare_context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(TLS_1_2_CIPHERS))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _show(context: ssl.SSLContext, tls: TLSSettings) -> None:
    try:
        context.load_cert_chain(tls.certificate, tls.private_key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls.certificate {tls.certificate}: cannot be used with its key") from error


def _trust(context: ssl.SSLContext, authorities: str, setting: str) -> None:
    try:
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{setting} {authorities}: holds no certificate that can be used") from error
