"""Associations that we open: to whom, as whom, and what it means when one does not come about."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from config.errors import DeliveryError, NoPresentationContextError
from config.peers import PeerSettings
from config.settings import Settings
from dicom_node.contexts import VERIFICATION
from dicom_node.network import configure_pynetdicom, send_without_delay
from dicom_node.tls import calling_context

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Whom to call, and as whom."""

    host: str
    port: int
    ae_title: str
    calling_ae_title: str
    tls: ssl.SSLContext | None = None

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
        The peer is out of reach or rejects us.
    NoPresentationContextError
        It accepts none of these presentation contexts.
    """
    configure_pynetdicom()
    ae = AE(ae_title=peer.calling_ae_title)
    ae.connection_timeout = CONNECT_TIMEOUT_S
    ae.acse_timeout = CONNECT_TIMEOUT_S
    ae.dimse_timeout = ANSWER_TIMEOUT_S
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
    if association.is_rejected:
        raise DeliveryError(f"{peer}: rejected the association of {peer.calling_ae_title}")
    if association.rejected_contexts and not association.accepted_contexts:
        raise NoPresentationContextError(f"{peer}: accepts none of our presentation contexts")
    if not association.is_established:
        raise DeliveryError(f"{peer}: cannot be reached")
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


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
