"""The node's life: the storage SCP and its intake thread, from start to a drained stop."""

import threading
import time
from typing import Any

from celery import Celery
from pynetdicom import AE, evt
from pynetdicom.events import Event as NetworkEvent

from config.errors import ConfigurationError
from config.logs import Event, emit
from config.settings import Settings
from db.session import Database
from dicom_node.contexts import support_contexts
from dicom_node.intake import Intake
from dicom_node.network import configure_pynetdicom
from dicom_node.receive import on_c_store
from dicom_node.spool import Spool


class Node:
    """A storage SCP over one spool and one registry. Start it once in a process of its own."""

    def __init__(self, settings: Settings, database: Database, broker: Celery) -> None:
        self._settings = settings.node
        self._spool = Spool(settings.spool_dir, minimum_free_bytes=settings.node.minimum_free_bytes)
        self._intake = Intake(settings, self._spool, database, broker)
        self._stop_intake = threading.Event()
        self._intake_thread = threading.Thread(target=self._intake.run, args=[self._stop_intake], name="intake")
        self._server: Any = None

    @property
    def port(self) -> int:
        """The port that the node listens on; useful when it was configured as 0."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen, and begin to register what is in the spool.

        Raises
        ------
        ConfigurationError
            The address cannot be listened on.
        """
        self._spool.create()
        configure_pynetdicom(receive_into=self._spool.incoming)
        address = (self._settings.host, self._settings.port)
        try:
            self._server = self._application_entity().start_server(address, block=False, evt_handlers=self._handlers())
        except OSError as error:
            raise ConfigurationError(f"node: cannot listen on {address[0]}:{address[1]}: {error.strerror}") from error
        # An association that is silent for longer than this is aborted: nothing is writing to files so old. Younger
        # ones may be another node's, on this spool.
        self._spool.sweep_incoming(older_than_s=2 * self._settings.idle_timeout_s)
        self._intake_thread.start()
        emit(Event.NODE_LISTENING, host=self._settings.host, port=self.port, ae_title=self._settings.ae_title)

    def stop(self) -> None:
        """Refuse new associations, let the running ones finish, register all, and end."""
        emit(Event.NODE_DRAINING, count=len(self._server.active_associations))
        self._server.shutdown()
        deadline = time.monotonic() + self._settings.drain_timeout_s
        while (running := self._server.active_associations) and time.monotonic() < deadline:
            time.sleep(0.05)
        for association in running:
            association.abort()
        self._stop_intake.set()
        self._intake_thread.join()
        emit(Event.NODE_STOPPED)

    def _application_entity(self) -> AE:
        ae = AE(ae_title=self._settings.ae_title)
        support_contexts(ae)
        ae.maximum_associations = self._settings.maximum_associations
        ae.maximum_pdu_size = self._settings.maximum_pdu_bytes
        ae.network_timeout = self._settings.idle_timeout_s
        ae.require_called_aet = self._settings.require_called_ae_title
        return ae

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_C_STORE, on_c_store, [self._spool, self._intake.open_studies]),
            (evt.EVT_REJECTED, _on_rejected),
        ]


def _on_rejected(event: NetworkEvent) -> None:
    emit(Event.ASSOCIATION_REJECTED, calling_ae_title=event.assoc.requestor.ae_title)
