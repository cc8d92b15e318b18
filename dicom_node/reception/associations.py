"""The associations that are open in this process: whose they are, and what they have brought."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from config.sections.peers import PeerSettings, Role
from dicom_node.audit.events import RemoteAE, broken_off, received
from dicom_node.audit.journal import TransferJournal
from dicom_node.header import InstanceHeader
from dicom_node.reception.access import AccessList, Caller, Refusal
from dicom_node.spool import Kept
from dicom_node.statuses import StorageStatus

TOLD_EVERY_S = 3600.0
"""The audit trail hears of an association when it ends, and of one that does not end so often."""


class Coming(Protocol):
    """An instance on its way to the disk."""

    @property
    def sop_class_uid(self) -> str:
        """As its sender has announced it."""

    @property
    def header(self) -> InstanceHeader | None:
        """None while it has not come so far."""


@dataclass
class _Open:
    peer: PeerSettings | None
    sender: RemoteAE
    came: TransferJournal
    may_send: bool
    study: str = ""
    """The Study Instance UID of what it has brought last."""
    brought_at: float = 0.0
    coming: Coming | None = None

    def studies(self, keeps_open_s: float) -> set[str]:
        """What must not fall quiet: the study of the instance that is coming, and for a while that of the last one."""
        header = self.coming.header if self.coming else None
        found = {header.study_instance_uid} if header else set()
        may_be_coming = self.coming is not None and header is None
        if self.study and (may_be_coming or time.monotonic() - self.brought_at < keeps_open_s):
            found.add(self.study)
        return found


class OpenAssociations:
    """Admits callers and keeps book of them; pynetdicom runs each association in a thread, which is its key here.

    That a thread has ended, rather than an event, tells the end of its association: one that drops in the middle of a
    transfer has both at once.
    """

    def __init__(self, access: AccessList, journals: Path, *, keeps_open_s: float) -> None:
        """Keep book in the folder `journals`; an open association holds its study for `keeps_open_s`."""
        self._access = access
        self._journals = journals
        self._keeps_open_s = keeps_open_s
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, _Open] = {}
        self._ended: list[TransferJournal] = []

    def admit(self, association: threading.Thread, caller: Caller) -> PeerSettings | Refusal | None:
        """Let a caller in, as a peer or as None that we know, or refuse it."""
        with self._lock:
            self._forget_ended()
            decision = self._access.decide(caller, [known.peer for known in self._open.values()])
            if isinstance(decision, Refusal):
                return decision
            sender = RemoteAE(ae_title=caller.calling_ae_title, address=caller.address)
            may_send = Role.SENDER in decision.peer.roles if decision.peer else decision.may_send
            self._open[association] = _Open(decision.peer, sender, TransferJournal(self._journals, sender), may_send)
            return decision.peer

    def begins(self, association: threading.Thread, coming: Coming) -> None:
        """An instance begins to come in an association."""
        with self._lock:
            if known := self._open.get(association):
                known.coming = coming

    def ended(
        self,
        association: threading.Thread,
        sop_class_uid: str,
        header: InstanceHeader | None,
        outcome: Kept | StorageStatus,
    ) -> bool:
        """An instance was kept or refused; whether it was kept, and the one before was of another study."""
        with self._lock:
            known = self._open.get(association)
            if known is None:  # its thread has ended while the instance was written
                return False
            known.coming = None
            known.came.add(received(sop_class_uid, header, outcome))
            if header is None or isinstance(outcome, StorageStatus):
                return False
            before, known.study = known.study, header.study_instance_uid
            known.brought_at = time.monotonic()
            return before != known.study

    def is_sender(self, association: threading.Thread) -> bool:
        """Whether an association is that of a peer that may send to us, or of nobody that we know but admit."""
        with self._lock:
            known = self._open.get(association)
        return known is not None and known.may_send

    def studies(self) -> set[str]:
        """The Study Instance UIDs that the associations that still run are at: these studies are not quiet yet."""
        with self._lock:
            self._forget_ended()
            return set().union(*(known.studies(self._keeps_open_s) for known in self._open.values()))

    def count(self) -> int:
        """How many are open."""
        with self._lock:
            return sum(association.is_alive() for association in self._open)

    def take_ended(self) -> list[TransferJournal]:
        """What is due for the audit trail: close each once the trail has it."""
        with self._lock:
            self._forget_ended()
            ended, self._ended = self._ended, []
            for known in self._open.values():
                if known.came.age_s > TOLD_EVERY_S:
                    ended.append(known.came)
                    known.came = TransferJournal(self._journals, known.sender)
            return ended

    def _forget_ended(self) -> None:
        for association in [association for association in self._open if not association.is_alive()]:
            known = self._open.pop(association)
            if known.coming is not None:
                known.came.add(broken_off(known.coming.sop_class_uid, known.coming.header))
            self._ended.append(known.came)
