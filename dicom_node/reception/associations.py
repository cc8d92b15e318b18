"""The associations that are open in this process: whose they are, and what they have brought."""

import threading
from dataclasses import dataclass, field

from config.peers import PeerSettings, Role
from dicom_node.audit.events import ReceivedInstances, RemoteAE
from dicom_node.audit.message import AuditMessage
from dicom_node.header import InstanceHeader
from dicom_node.reception.access import AccessList, Caller, Refusal
from dicom_node.spool import Kept


@dataclass
class _Open:
    peer: PeerSettings | None
    came: ReceivedInstances
    studies: set[str] = field(default_factory=set)


class OpenAssociations:
    """Admits callers and keeps book of them; pynetdicom runs each association in a thread, which is its key here.

    That a thread has ended, rather than an event, tells the end of its association: one that drops in the middle of a
    transfer has both at once.
    """

    def __init__(self, access: AccessList) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, _Open] = {}
        self._messages: list[AuditMessage] = []

    def admit(self, association: threading.Thread, caller: Caller) -> PeerSettings | Refusal | None:
        """Let a caller in, as a peer or as None that we know, or refuse it."""
        with self._lock:
            self._forget_ended()
            decision = self._access.decide(caller, [known.peer for known in self._open.values()])
            if isinstance(decision, Refusal):
                return decision
            sender = RemoteAE(ae_title=caller.calling_ae_title, address=caller.address)
            self._open[association] = _Open(decision.peer, ReceivedInstances(sender))
            return decision.peer

    def stored(self, association: threading.Thread, header: InstanceHeader, kept: Kept) -> bool:
        """An association has brought an instance; whether it is its first of that study."""
        with self._lock:
            known = self._open.get(association)
            if known is None:  # its thread has ended while the instance was written
                return False
            known.came.stored(header, kept)
            is_first = header.study_instance_uid not in known.studies
            known.studies.add(header.study_instance_uid)
            return is_first

    def is_sender(self, association: threading.Thread) -> bool:
        """Whether an association is that of a peer that may send to us, or of nobody that we know but admit."""
        with self._lock:
            known = self._open.get(association)
        return known is not None and (known.peer is None or Role.SENDER in known.peer.roles)

    def studies(self) -> set[str]:
        """The Study Instance UIDs of all associations that still run: these studies are not quiet yet."""
        with self._lock:
            self._forget_ended()
            return set().union(*(known.studies for known in self._open.values()))

    def take_messages(self) -> list[AuditMessage]:
        """What the audit trail is to say of the associations that have ended since the last call."""
        with self._lock:
            self._forget_ended()
            messages, self._messages = self._messages, []
            return messages

    def _forget_ended(self) -> None:
        for association in [association for association in self._open if not association.is_alive()]:
            self._messages += self._open.pop(association).came.take_messages()
