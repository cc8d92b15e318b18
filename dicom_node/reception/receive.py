"""The C-STORE: one instance from the association into the spool, and the answer to the sender."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as NetworkEvent

from config.errors import (
    ClassNotSupportedError,
    InstanceMismatchError,
    NotAuthorizedError,
    SpoolError,
    UnreadableInstanceError,
)
from config.logs import Event, EventFields, emit, place_of
from dicom_node.contexts import STORAGE_CLASSES
from dicom_node.header import InstanceHeader, data_set_position, is_valid_uid
from dicom_node.quarantine import put_in_quarantine
from dicom_node.reception.file_head import file_head
from dicom_node.reception.incoming import IncomingFile, Window
from dicom_node.reception.streamed_header import StreamedHeader
from dicom_node.spool import Kept, Spool
from dicom_node.statuses import StorageStatus, answer, status_of

Ended = Callable[[InstanceHeader | None, Kept | StorageStatus], None]
"""Told what has become of an instance: its header, where that could be read, and how it was kept, or why it was not."""


def _nobody_listens(_: InstanceHeader | None, __: Kept | StorageStatus) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the C-STORE command says of the data set that follows it (PS3.7 section 9.1.1), and who says it."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    abstract_syntax_uid: str
    """What the presentation context was accepted for; a request of another SOP class is none of its business."""
    may_store: bool = True
    """Whether the caller is one that may."""

    def require_permission(self) -> None:
        """Refuse before a byte is kept what the association was not negotiated for.

        Raises
        ------
        NotAuthorizedError
            The caller is no sender.
        ClassNotSupportedError
            The SOP class is not that of the presentation context, or none of storage.
        """
        if not self.may_store:
            raise NotAuthorizedError("this caller is no sender")
        if self.sop_class_uid != self.abstract_syntax_uid or self.sop_class_uid not in STORAGE_CLASSES:
            raise ClassNotSupportedError("the presentation context is not for this SOP class")


class Reception:
    """One instance on its way to the disk. Its sender is always answered, whatever happens."""

    def __init__(self, spool: Spool, window: Window, announced: Announced, on_ended: Ended) -> None:
        self._spool = spool
        self._window = window
        self._announced = announced
        self._on_ended = on_ended
        self._header = StreamedHeader(announced.transfer_syntax_uid)
        self._failure: Exception | None = None
        self._file: IncomingFile | None = None
        try:
            announced.require_permission()
            spool.require_room()
            self._file = IncomingFile(spool.new_incoming(), window)
            self.write(memoryview(_file_head(announced)))
        except Exception as error:  # noqa: BLE001  the data set has to be read to its end before it is answered
            self._fail(error)

    @property
    def sop_class_uid(self) -> str:
        """As its sender has announced it."""
        return self._announced.sop_class_uid

    @property
    def header(self) -> InstanceHeader | None:
        """What is known so far of the data set."""
        return self._header.header

    def room(self) -> memoryview:
        """Where the next bytes of the data set go; say with `advance` how many there were."""
        return self._window.view if self._file is None else self._file.room()

    def advance(self, count: int) -> None:
        """So many bytes were put into `room()`."""
        if self._file is None or not self._file.advance(count):
            return
        try:
            self._header.see(self._file.filled(), self._file.start)
            self._file.flush()
        except Exception as error:  # noqa: BLE001  as above
            self._fail(error)

    def write(self, content: memoryview) -> None:
        """Add bytes that lie in memory already."""
        while content:
            room = self.room()
            count = min(len(room), len(content))
            room[:count] = content[:count]
            self.advance(count)
            content = content[count:]

    def finish(self) -> tuple[StorageStatus, str]:
        """Keep the instance: status 0x0000 once it is durable under its final name, or why not, with a comment."""
        try:
            header, kept = self._keep()
        except Exception as error:  # noqa: BLE001  the sender is always answered
            return self._refuse(error)
        emit(
            Event.INSTANCE_STORED if kept is Kept.STORED else Event.INSTANCE_REPEATED,
            study_instance_uid=header.study_instance_uid,
            sop_instance_uid=header.sop_instance_uid,
            calling_ae_title=self._announced.calling_ae_title,
        )
        return StorageStatus.SUCCESS, ""

    def abandon(self) -> None:
        """The sender broke off: nothing of it stays."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _keep(self) -> tuple[InstanceHeader, Kept]:
        if self._failure is not None or self._file is None:
            raise self._failure or UnreadableInstanceError("no data set")
        size = self._file.size
        self._header.see(self._file.filled(), self._file.start)
        self._file.make_durable()
        header = self._header.finish(self._file.path, size)
        announced = (self._announced.sop_class_uid, self._announced.sop_instance_uid)
        if (header.sop_class_uid, header.sop_instance_uid) != announced:
            raise InstanceMismatchError("SOP class or instance of the data set is not that of the request")
        kept = self._spool.keep(self._file.path, header)
        self._file.close()
        self._file = None
        self._on_ended(header, kept)
        return header, kept

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self.abandon()

    def _refuse(self, error: Exception) -> tuple[StorageStatus, str]:
        status = status_of(error)
        reason = _reason(error)
        instance = self._announced.sop_instance_uid
        said = EventFields(
            status=f"0x{status:04X}",
            reason=reason,
            calling_ae_title=self._announced.calling_ae_title,
            sop_instance_uid=instance if is_valid_uid(instance) else "invalid",
        )
        if self.header is not None:
            said["study_instance_uid"] = self.header.study_instance_uid
        emit(Event.INSTANCE_REFUSED, **said)
        self._on_ended(self.header, status)
        if self._file is None:
            return status, reason
        file, self._file = self._file, None
        if status is StorageStatus.OUT_OF_RESOURCES:
            file.discard()  # the sender keeps it and tries again; a full disk must not fill further
            return status, reason
        reason = reason.removeprefix(f"{file.path.name}: ")  # our temporary name says nothing to anybody
        try:
            put_in_quarantine(self._spool, file.path, reason=reason, calling_ae_title=self._announced.calling_ae_title)
            file.close()
        except Exception:  # noqa: BLE001  whatever it is, the sender has to keep its copy
            with suppress(OSError):
                file.discard()
            return StorageStatus.OUT_OF_RESOURCES, "the quarantine cannot be written"
        return status, reason


def _reason(error: Exception) -> str:
    """Why an instance is refused, for the log and for its sender; nothing of the data set."""
    if isinstance(error, SpoolError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"the spool cannot be written: {error.strerror}"
    return place_of(error)


def receive_data_set(
    spool: Spool, announced: Announced, data_set: BinaryIO, on_ended: Ended = _nobody_listens, *, start: int = 0
) -> tuple[StorageStatus, str]:
    """Keep an instance whose data set is in memory, or a file, from `start` to the end: as `Reception.finish`."""
    reception = Reception(spool, Window(), announced, on_ended)
    data_set.seek(start)
    # readinto is what typing's BinaryIO lacks of BytesIO and of a file.
    while count := cast(BytesIO, data_set).readinto(reception.room()):
        reception.advance(count)
    return reception.finish()


def on_c_store(
    event: NetworkEvent,
    spool: Spool,
    on_ended: Callable[[Association, str, InstanceHeader | None, Kept | StorageStatus], None],
    may_store: Callable[[Association], bool],
) -> Dataset:
    """pynetdicom's own way in: EVT_C_STORE, with the data set in a temporary file (`receive_into_files`)."""
    request = cast(C_STORE, event.request)
    announced = Announced(
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        calling_ae_title=event.assoc.requestor.ae_title,
        abstract_syntax_uid=str(event.context.abstract_syntax),
        may_store=may_store(event.assoc),
    )
    told = partial(on_ended, event.assoc, announced.sop_class_uid)
    path = cast(Path | None, event.dataset_path)
    if path is None:  # in memory: there is none, or nobody has asked for files
        return answer(*receive_data_set(spool, announced, request.DataSet or BytesIO(), told))
    with path.open("rb") as file:
        return answer(*receive_data_set(spool, announced, file, told, start=data_set_position(path)))


def on_connection_closed(event: NetworkEvent) -> None:
    """EVT_CONN_CLOSE, after pynetdicom's own way in: remove the half file of a message that was broken off.

    Where pynetdicom names it otherwise, it stays until the next sweep.
    """
    half: Path | None = getattr(event.assoc.dimse.message, "_data_set_path", None)
    if half is not None:
        half.unlink(missing_ok=True)


def _file_head(announced: Announced) -> bytes:
    return file_head(
        sop_class_uid=announced.sop_class_uid,
        sop_instance_uid=announced.sop_instance_uid,
        transfer_syntax_uid=announced.transfer_syntax_uid,
        calling_ae_title=announced.calling_ae_title,
    )
