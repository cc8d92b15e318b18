"""Associations that we open: to whom, as whom, and what it means when one does not come about."""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from config.errors import AssociationRejectedError, DeliveryError, NoPresentationContextError
from config.sections.peers import PeerSettings, TLSSettings
from config.settings import Settings
from dicom_node.audit.events import RemoteAE
from dicom_node.audit.message import AuditMessage
from dicom_node.audit.trail import AuditTrail
from dicom_node.contexts import VERIFICATION
from dicom_node.network import configure_pynetdicom, send_without_delay
from dicom_node.tls import calling_context, own_node_context

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""What is listened on, and nobody calls; '::' may be of IPv6 alone (RFC 3493 section 5.3)."""
CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60
SECOND_LOOK_TIMEOUT_S = 3

_REJECTED = {1: "for good", 2: "for now"}
_REJECTION_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit of associations exceeded",
}
"""By source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
_CONTEXT_RESULTS = {
    1: "rejected by its user",
    2: "no reason",
    3: "SOP class not supported",
    4: "transfer syntax not supported",
}
"""Results of a presentation context (PS3.8 table 9-18)."""
NAMED_CONTEXTS = 3
"""So many are named in a message; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Whom to call, and as whom."""

    host: str
    port: int
    ae_title: str
    calling_ae_title: str
    tls: ssl.SSLContext | None = None
    audit: AuditTrail | None = None
    """Where it is told what went to it and came from it; None: nowhere."""

    @property
    def remote(self) -> RemoteAE:
        """It, as the audit trail names it."""
        return RemoteAE(ae_title=self.ae_title, address=self.host)

    def tell(self, messages: Iterable[AuditMessage]) -> None:
        """Put messages about it into the audit trail."""
        for message in messages:
            if self.audit is not None:
                self.audit.record(message)

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


def called_peer(settings: Settings, peer: PeerSettings) -> Peer:
    """A configured peer as we call it.

    Raises
    ------
    ConfigurationError
        It is to be called by TLS, and our certificate cannot be used.
    """
    return Peer(
        host=peer.host,
        port=peer.port,
        ae_title=peer.ae_title,
        calling_ae_title=settings.node.ae_title,
        tls=calling_context(settings.tls) if peer.tls else None,
        audit=AuditTrail(settings),
    )


def own_host(listens_on: str) -> str:
    """Where something of ours is called on its own machine, whatever it listens on."""
    return _EVERYWHERE.get(listens_on, listens_on)


def own_node(settings: Settings, *, calling_ae_title: str, by_tls: bool, shown: TLSSettings | None = None) -> Peer:
    """Our own node, as it is called on its own machine; `shown` names another certificate than ours to show it.

    Raises
    ------
    ConfigurationError
        It is to be called by TLS, and our certificate cannot be used.
    """
    return Peer(
        host=own_host(settings.node.host),
        port=settings.tls.port if by_tls else settings.node.port,
        ae_title=settings.node.ae_title,
        calling_ae_title=calling_ae_title,
        tls=own_node_context(settings.tls, shown) if by_tls else None,
    )


@contextmanager
def association_with(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    handlers: Sequence[evt.EventHandlerType] = (),
) -> Iterator[Association]:
    """An established association, released at the end of the block.

    `roles` are pynetdicom's role selection items, `handlers` answer what the peer requests of us meanwhile.

    Raises
    ------
    DeliveryError
        The peer is out of reach or does not answer.
    AssociationRejectedError
        It rejects us.
    NoPresentationContextError
        It accepts none of these presentation contexts.
    """
    configure_pynetdicom()
    ae = AE(ae_title=peer.calling_ae_title)
    ae.connection_timeout = CONNECT_TIMEOUT_S
    ae.acse_timeout = CONNECT_TIMEOUT_S
    ae.dimse_timeout = ANSWER_TIMEOUT_S
    called_at = time.monotonic()
    try:
        association = ae.associate(
            peer.host,
            peer.port,
            contexts=list(contexts),
            ae_title=peer.ae_title,
            ext_neg=list(roles) or None,
            evt_handlers=[(evt.EVT_CONN_OPEN, send_without_delay), *handlers],
            tls_args=(peer.tls, peer.host) if peer.tls else None,
        )
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"{peer}: the host name leads nowhere") from error
    if not association.is_established:
        raise _failure(association, peer, waited_s=time.monotonic() - called_at)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _failure(association: Association, peer: Peer, *, waited_s: float) -> DeliveryError:
    """Why an association did not come about."""
    answer = association.acceptor.primitive
    if answer is not None and association.is_rejected:
        why = (answer.result_source or 0, answer.diagnostic or 0)
        reason = _REJECTION_REASONS.get(why, "for a reason that PS3.8 does not know")
        codes = f"result {answer.result}, source {answer.result_source}, reason {answer.diagnostic}"
        lasting = _REJECTED.get(answer.result or 0, "")
        return AssociationRejectedError(
            f"{peer}: rejected the association of {peer.calling_ae_title} {lasting}: {reason} ({codes})"
        )
    if answer is not None and association.rejected_contexts:
        return NoPresentationContextError(f"{peer}: accepts none of {_named(association.rejected_contexts)}")
    own_address = association.requestor.address_info
    if own_address is None or own_address.port == 0:  # known once the connection stands
        return DeliveryError(f"{peer}: {_why_no_connection(peer)}")
    if waited_s < CONNECT_TIMEOUT_S:
        return DeliveryError(f"{peer}: hung up when {peer.calling_ae_title} asked for an association")
    return DeliveryError(f"{peer}: takes the connection, and does not answer within {CONNECT_TIMEOUT_S} s")


def _named(contexts: Sequence[PresentationContext]) -> str:
    named = [
        f"{cast(UID, context.abstract_syntax).name} in {context.transfer_syntax[0].name} "
        f"({_CONTEXT_RESULTS.get(context.result or 0, 'no reason')})"
        for context in contexts[:NAMED_CONTEXTS]
    ]
    if len(contexts) > NAMED_CONTEXTS:
        named.append(f"{len(contexts) - NAMED_CONTEXTS} others")
    return ", ".join(named)


def _why_no_connection(peer: Peer) -> str:
    """A second look, since pynetdicom does not tell what it met."""
    try:
        with socket.create_connection((peer.host, peer.port), timeout=SECOND_LOOK_TIMEOUT_S) as connection:
            if peer.tls is None:
                return "cannot be reached for the moment"
            with peer.tls.wrap_socket(connection, server_hostname=peer.host):
                return "ends the TLS connection: does it trust our certificate?"
    except TimeoutError:
        return f"does not answer within {CONNECT_TIMEOUT_S} s: check address and firewall"
    except ConnectionRefusedError:
        return "connection refused: nothing listens there"
    except ssl.SSLCertVerificationError as error:
        return f"TLS does not come about: {error.verify_message.rstrip('.')}"
    except ssl.SSLError as error:
        return f"TLS does not come about ({error.reason or 'no reason given'})"
    except OSError as error:
        return f"cannot be reached ({error.strerror or type(error).__name__})"


def echo(peer: Peer) -> None:
    """C-ECHO.

    Raises
    ------
    DeliveryError
        The peer is out of reach, rejects the association, or does not answer.
    """
    with association_with(peer, [build_context(VERIFICATION)]) as association:
        if not association.accepted_contexts or "Status" not in association.send_c_echo():
            raise DeliveryError(f"{peer}: no answer to C-ECHO")
