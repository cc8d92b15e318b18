"""The receiving process: storage SCP over one spool, from start to a drained stop. It never opens the registry."""

import socket
import ssl
import time
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Any, cast

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event as NetworkEvent
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AssociationSocket

from config.errors import ConfigurationError
from config.logs import Event, emit, place_of
from config.sections.peers import Role, plain_address
from config.settings import Settings
from db.lifecycle.received import ACCEPTED
from dicom_node.audit.events import RemoteAE, application_started, application_stopped, association_refused
from dicom_node.audit.refusals import Refusals
from dicom_node.audit.syslog import AuditForwarder
from dicom_node.audit.trail import AuditTrail
from dicom_node.commitment.service import CommitmentService
from dicom_node.contexts import (
    VERIFICATION,
    accepted_contexts,
    contexts_of_every_caller,
    register_retired_classes,
    take_the_senders_order,
)
from dicom_node.header import InstanceHeader
from dicom_node.network import configure_pynetdicom, receive_into_files
from dicom_node.reception.access import AccessList, Caller, Refusal, Rejection
from dicom_node.reception.associations import OpenAssociations
from dicom_node.reception.housekeeping import Housekeeping
from dicom_node.reception.incoming import Window
from dicom_node.reception.listening import StorageServer
from dicom_node.reception.receive import Announced, Reception, on_c_store, on_connection_closed
from dicom_node.reception.reporting import Callers, OpenStudies
from dicom_node.reception.store_messages import StoreRequest
from dicom_node.reception.upper_layer import FITS, take_over
from dicom_node.reception.waiting import Ended, WaitingConnections
from dicom_node.spool import Kept, Spool
from dicom_node.statuses import StorageStatus
from dicom_node.tls import HandshakeFailure, ListeningContext, common_name

_OURS_TO_SAY = 1_000_000
"""pynetdicom's own limit of associations, out of the way: ours says why (`AccessList`)."""


class Receiver:
    """A storage SCP. Several of them, in as many processes, can share port and spool."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to listen.

        Raises
        ------
        ConfigurationError
            A certificate cannot be used, or a peer may send what the node does not store.
        """
        self._settings = settings
        self._node = settings.node
        self._spool = Spool.of(settings)
        self._access = AccessList(settings)
        self._associations = OpenAssociations(
            self._access, self._spool.receivers, keeps_open_s=settings.study.association_keeps_open_s
        )
        self._commitment = CommitmentService(self._spool, self._associations.is_sender)
        self._open_studies = OpenStudies(self._spool)
        self._callers = Callers(self._spool)
        self._audit = AuditTrail(settings)
        self._audited = Refusals(self._audit_refusal, told_each=settings.audit.refusals_told)
        self._logged = Refusals(_log_refusal, told_each=settings.audit.refusals_told)
        self._audit_forwarder = AuditForwarder(settings)
        register_retired_classes()
        self._contexts = accepted_contexts()
        self._contexts_of = {
            peer.name: accepted_contexts(peer.sop_classes) for peer in settings.peers if peer.sop_classes
        } | {peer.name: contexts_of_every_caller() for peer in settings.peers if Role.SENDER not in peer.roles}
        self._tls = ListeningContext(settings.tls) if settings.tls.enabled else None
        self._is_fast = self._node.receive_path == "fast" and FITS
        self._waiting = WaitingConnections(
            at_most=self._node.maximum_waiting,
            of_one_address=self._node.maximum_waiting_of_one_address,
            longest_s=self._node.request_timeout_s,
        )
        self._servers: list[StorageServer] = []
        self._housekeeping = Housekeeping(
            settings,
            self._spool,
            self._associations,
            self._open_studies,
            self._callers,
            (self._audited, self._logged),
            self._audit,
        )

    @property
    def port(self) -> int:
        """The port that the node listens on; useful when it was configured as 0."""
        return int(self._servers[0].server_address[1])

    def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigurationError
            An address cannot be listened on.
        """
        self._spool.create()
        configure_pynetdicom()
        receive_into_files(None if self._is_fast else self._spool.incoming)
        self._housekeeping.sweep_incoming()
        ae = self._application_entity()
        if self._settings.tls.accept_without_tls:
            self._listen(ae, self._node.port)
        if self._tls is not None:
            self._listen(ae, self._settings.tls.port, tls=self._tls)
        self._housekeeping.start()
        self._audit_forwarder.start()
        self._audit.record(application_started())
        emit(Event.NODE_LISTENING, host=self._node.host, port=self.port, ae_title=self._node.ae_title)

    def stop(self) -> None:
        """Refuse new associations, let the running ones finish, and end."""
        emit(Event.NODE_DRAINING, count=len(self._running()))
        for server in self._servers:
            server.shutdown()
        self._waiting.end_all()
        deadline = time.monotonic() + self._node.drain_timeout_s
        while (running := self._running()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for association in running:
            association.abort(block=False)
            connection = cast(AssociationSocket, association.dul.socket).socket
            if connection is not None:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # also one that drips along in the middle of a data set
        self._housekeeping.stop()
        self._audit.record(application_stopped())
        self._audit_forwarder.stop()
        receive_into_files(None)
        emit(Event.RECEIVING_STOPPED)

    def _listen(self, ae: AE, port: int, tls: ListeningContext | None = None) -> None:
        try:
            server = StorageServer(
                ae,
                (self._node.host, port),
                handlers=self._handlers(),
                waiting=self._waiting,
                tls=tls,
                shares_port=self._node.processes > 1,
            )
        except OSError as error:
            raise ConfigurationError(f"node: cannot listen on {self._node.host}:{port}: {error.strerror}") from error
        if self._is_fast:
            server.take_over = self._take_over
        server.turned_away = self._on_turned_away
        server.serve()
        self._servers.append(server)

    def _application_entity(self) -> AE:
        ae = AE(ae_title=self._node.ae_title)
        ae.supported_contexts = self._contexts
        ae.maximum_associations = _OURS_TO_SAY
        ae.maximum_pdu_size = self._node.maximum_pdu_bytes
        ae.network_timeout = self._node.idle_timeout_s
        ae.acse_timeout = self._node.request_timeout_s  # also ARTIM's (PS3.8 section 9.1.5)
        return ae

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_C_STORE, on_c_store, [self._spool, self._on_ended, self._associations.is_sender]),
            (evt.EVT_CONN_CLOSE, on_connection_closed),
            *self._commitment.handlers(),
        ]

    def _on_requested(self, event: NetworkEvent) -> None:
        """Admit the caller with the contexts that are its own, or reject it and note why."""
        association = event.assoc
        try:
            caller = _caller(association)
            peer = self._associations.admit(association, caller)
        except Exception as error:  # noqa: BLE001  pynetdicom would go on and let the caller in
            emit(Event.ASSOCIATION_REJECTED, error=place_of(error))
            _reject(association, Rejection.NO_REASON)
            return
        if isinstance(peer, Refusal):
            self._note_refused(caller, peer)
            _reject(association, peer.rejection)
            return
        self._note_called(caller, ACCEPTED)
        self._waiting.leave(cast(Any, association.dul.socket).socket)
        contexts = self._contexts_of.get(peer.name if peer else "", self._contexts)
        asked = cast(A_ASSOCIATE, association.requestor.primitive)
        take_the_senders_order(asked.presentation_context_definition_list, contexts)
        association.acceptor.supported_contexts = contexts

    def _note_called(self, caller: Caller, outcome: str) -> None:
        if not self._access.is_a_look_of_our_own(caller):  # the list is of others
            self._callers.note(ae_title=caller.calling_ae_title, address=caller.address, outcome=outcome)

    def _note_refused(self, caller: Caller, refusal: Refusal) -> None:
        self._note_called(caller, refusal.reason)
        remote = RemoteAE(ae_title=caller.calling_ae_title, address=caller.address)
        self._logged.note(remote, reason=refusal.reason)
        if refusal.rejection is not Rejection.LOCAL_LIMIT:
            self._audited.note(remote, reason=refusal.reason)

    def _on_turned_away(self, address: str, reason: HandshakeFailure | Ended) -> None:
        """A caller that never came to say its AE title."""
        self._callers.note(ae_title="", address=address, outcome=reason)
        if isinstance(reason, Ended):
            return  # a flood: counted in the list of callers, it fills neither the log nor the audit trail
        remote = RemoteAE(ae_title="", address=address)
        self._logged.note(remote, reason=reason)
        if reason is not HandshakeFailure.HUNG_UP:  # as port scans and load balancers do: nobody's identity failed
            self._audited.note(remote, reason=reason)

    def _audit_refusal(self, caller: RemoteAE, reason: str) -> None:
        self._audit.record(association_refused(caller, reason=reason))

    def _take_over(self, association: Association, connection: socket.socket) -> None:
        window = Window()

        def begin_store(association: Association, request: StoreRequest) -> Reception:
            context = association._accepted_cx[request.context_id]
            announced = Announced(
                sop_class_uid=request.sop_class_uid,
                sop_instance_uid=request.sop_instance_uid,
                transfer_syntax_uid=str(context.transfer_syntax[0]),
                calling_ae_title=association.requestor.ae_title,
                abstract_syntax_uid=str(context.abstract_syntax),
                may_store=self._associations.is_sender(association),
            )
            told = partial(self._on_ended, association, request.sop_class_uid)
            reception = Reception(self._spool, window, announced, told)
            self._associations.begins(association, reception)
            return reception

        take_over(association, connection, begin_store, self._node.idle_timeout_s)

    def _on_ended(
        self,
        association: Association,
        sop_class_uid: str,
        header: InstanceHeader | None,
        outcome: Kept | StorageStatus,
    ) -> None:
        self._callers.note_instance(StorageStatus.SUCCESS if isinstance(outcome, Kept) else outcome)
        if not self._associations.ended(association, sop_class_uid, header, outcome):
            return
        try:
            self._open_studies.publish(self._associations.studies(), associations=self._associations.count())
        except OSError as error:  # the instance is kept, whatever becomes of this word on it: said again in a moment
            emit(Event.SPOOL_AWAY, error=place_of(error))

    def _running(self) -> list[Association]:
        associations = (association for server in self._servers for association in server.active_associations)
        return [association for association in associations if association.is_established]


def _log_refusal(caller: RemoteAE, reason: str) -> None:
    emit(Event.ASSOCIATION_REJECTED, host=caller.address, calling_ae_title=caller.ae_title, reason=str(reason))


def _reject(association: Association, rejection: Rejection) -> None:
    association.acse.send_reject(*rejection.value)
    association.kill()


def _caller(association: Association) -> Caller:
    connection = cast(AssociationSocket, association.dul.socket).socket
    asked = cast(A_ASSOCIATE, association.requestor.primitive)
    address = association.requestor.address
    own_address = plain_address(connection.getsockname()[0]) if connection is not None else ""
    return Caller(
        calling_ae_title=asked.calling_ae_title.strip(),
        called_ae_title=asked.called_ae_title.strip(),
        address=address,
        is_of_this_machine=ip_address(address).is_loopback or address == own_address,
        only_verifies={context.abstract_syntax for context in asked.presentation_context_definition_list}
        == {VERIFICATION},
        tls=isinstance(connection, ssl.SSLSocket),
        certificate_common_name=common_name(connection.getpeercert()) if isinstance(connection, ssl.SSLSocket) else "",
    )
