"""What the conformance statement says of security: TLS, who is refused in it, and the audit trail (PS3.15)."""

from config.settings import Settings
from dicom_node.audit import events as audit
from dicom_node.audit import people
from dicom_node.audit.refusals import WINDOW_S
from dicom_node.conformance.markdown import document, facts, table
from dicom_node.reception.associations import TOLD_EVERY_S
from dicom_node.tls import TLS_1_2_CIPHERS, HandshakeFailure


def security_section(settings: Settings) -> str:
    """The section on security profiles."""
    return document("## Security", _transport(settings), _audit_trail(settings))


def _transport(settings: Settings) -> str:
    tls = settings.tls
    lists = "consulted (`tls.crl`), of callers and of peers that we call" if tls.crl else "not consulted (no `tls.crl`)"
    if not tls.enabled:
        state = "Not configured: associations are not encrypted. With `[tls]` certificates it is:"
    elif tls.accept_without_tls:
        state = "Configured; the plain port is open as well (`tls.accept_without_tls`)."
    else:
        state = "Configured; the plain port is closed."
    certificates = "required" if tls.require_client_certificate else "verified where it is shown"
    return document(
        "### Secure transport",
        f"BCP 195 (RFC 8996, 9325) TLS Secure Transport Connection Profile (PS3.15 annex B.12). {state}",
        facts(
            [
                ("versions", "TLS 1.3 and 1.2, no other"),
                ("cipher suites of TLS 1.2", ", ".join(TLS_1_2_CIPHERS)),
                ("cipher suites of TLS 1.3", "those of OpenSSL"),
                (
                    "certificate of a caller",
                    f"{certificates} (`tls.require_client_certificate`), signed by `tls.trusted`",
                ),
                ("which caller", "by AE title, and by the certificate's common name where the peer's entry names one"),
                (
                    "certificate of a peer that we call",
                    "required, signed by `tls.trusted`, for the host name that is called",
                ),
                ("revocation lists", lists),
                ("OCSP", "not consulted"),
                ("time for the handshake", "that of an association request"),
            ]
        ),
        "A handshake that comes to nothing is listed with the refused callers, and is a Security Alert of the audit "
        f"trail unless the caller only hung up: {'; '.join(HandshakeFailure)}.",
    )


def _audit_trail(settings: Settings) -> str:
    messages = (
        audit.APPLICATION_ACTIVITY,
        audit.INSTANCES_ACCESSED,
        audit.INSTANCES_TRANSFERRED,
        audit.QUERY,
        audit.SECURITY_ALERT,
        people.USER_AUTHENTICATION,
    )
    sent = f"configured, to {settings.audit.syslog}" if settings.audit.syslog else "not configured"
    return document(
        "### Audit trail",
        "Audit Trail Message Format Profile (PS3.15 A.5), to files; SYSLOG-TLS transmission profile (A.6) to a "
        f"repository (`audit.syslog`): {sent}.",
        table(("message", "event ID"), [(code.meaning, f"({code.value}, {code.scheme})") for code in messages]),
        facts(
            [
                (
                    "Security Alert",
                    f"of type {audit.NODE_AUTHENTICATION.meaning}: a refused caller; of more than "
                    f"{settings.audit.refusals_told} from one address within {WINDOW_S:g} s "
                    "(`audit.refusals_told`) one message says how many more there were; of type "
                    f"{people.USER_ATTRIBUTES_CHANGED.meaning}: somebody changed an account of the dashboard, named by "
                    "its URI, and how, without password or token",
                ),
                (
                    "User Authentication",
                    f"of type {people.LOGIN.meaning} or {people.LOGOUT.meaning}: somebody signed in to the dashboard, "
                    "or could not (outcome 8), or signed out",
                ),
                (
                    "DICOM Instances Transferred",
                    "for each association, study and outcome, at the end of the association, of a long one every "
                    f"{TOLD_EVERY_S / 60:g} minutes; outcome 0: accepted, 8: refused or broken off, the description "
                    "being the status. Study Instance UID and patient ID are empty where the data set could not be "
                    "read. Also after a process was killed: a message may come twice, not never",
                ),
                (
                    "DICOM Instances Accessed",
                    "with action D: for each study whose images were deleted because their time was over "
                    "(`[keep] pixels_days`). Also after a process was killed: a message may come twice, not never. "
                    "With action R: somebody saw pictures, identity or reports of a study on the dashboard",
                ),
                (
                    "UserID",
                    "of our process: its process ID; of a peer: its AE title, or its address where it gave none; of "
                    "somebody at the dashboard: the account",
                ),
                ("AlternativeUserID", "`AETITLES=` and the AE title"),
                ("AuditSourceID", "our AE title; AuditSourceTypeCode 4"),
                ("patient", "the patient ID; ParticipantObjectName is present, as the schema demands, and empty"),
                (
                    "query",
                    "the identifier in Explicit VR Little Endian; values other than UIDs, patient ID, dates and "
                    "modality are left out",
                ),
                (
                    "syslog",
                    "PRI 85, APP-NAME `echoworker`, MSGID `DICOM+RFC3881`, no STRUCTURED-DATA, port by configuration",
                ),
                (
                    "connection",
                    "one for each batch; a batch counts as sent once the receiver has answered its close_notify",
                ),
            ]
        ),
    )
