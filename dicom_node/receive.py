"""The C-STORE: one instance from the association into the spool, and the answer to the sender."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as NetworkEvent

from config.errors import InstanceMismatchError, SpoolError
from config.logs import Event, emit, place_of
from dicom_node.header import is_valid_uid, read_header
from dicom_node.intake import OpenStudies
from dicom_node.spool import Kept, Spool
from dicom_node.statuses import StorageStatus, answer, status_of


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the C-STORE command says of the data set that follows it (PS3.7 section 9.1.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    calling_ae_title: str


def on_c_store(event: NetworkEvent, spool: Spool, open_studies: OpenStudies) -> Dataset:
    """Answer one C-STORE request: 0x0000 only when the instance is durable under its final name."""
    received = Path(event.dataset_path)
    request = cast(C_STORE, event.request)
    announced = Announced(
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        calling_ae_title=event.assoc.requestor.ae_title,
    )
    try:
        study_instance_uid = receive_instance(spool, received, announced)
    except Exception as error:  # noqa: BLE001  a handler always answers; pynetdicom would leave the file behind
        return _refuse(spool, received, announced, error)
    open_studies.touch(event.assoc, study_instance_uid)
    return answer(StorageStatus.SUCCESS)


def receive_instance(spool: Spool, received: Path, announced: Announced) -> str:
    """Check a received file and keep it; its Study Instance UID.

    Raises
    ------
    SpoolError
        It cannot be kept as what it was announced; each kind of error has its status in `dicom_node.statuses`.
    """
    spool.require_room()
    header = read_header(received)
    if (header.sop_class_uid, header.sop_instance_uid) != (announced.sop_class_uid, announced.sop_instance_uid):
        raise InstanceMismatchError("SOP class or instance of the data set is not that of the request")
    kept = spool.keep(received, header, calling_ae_title=announced.calling_ae_title)
    emit(
        Event.INSTANCE_STORED if kept is Kept.STORED else Event.INSTANCE_REPEATED,
        study_instance_uid=header.study_instance_uid,
        sop_instance_uid=header.sop_instance_uid,
        calling_ae_title=announced.calling_ae_title,
    )
    return header.study_instance_uid


def _refuse(spool: Spool, received: Path, announced: Announced, error: Exception) -> Dataset:
    status = status_of(error)
    reason = str(error) if isinstance(error, SpoolError) else place_of(error)
    emit(
        Event.INSTANCE_REFUSED,
        status=f"0x{status:04X}",
        reason=reason,
        calling_ae_title=announced.calling_ae_title,
        sop_instance_uid=announced.sop_instance_uid if is_valid_uid(announced.sop_instance_uid) else "invalid",
    )
    if status is StorageStatus.OUT_OF_RESOURCES:
        received.unlink(missing_ok=True)  # the sender keeps it and tries again; a full disk must not fill further
        return answer(status, reason)
    try:
        spool.quarantine(received, reason=reason, calling_ae_title=announced.calling_ae_title)
    except OSError:
        return answer(StorageStatus.OUT_OF_RESOURCES, "the quarantine cannot be written")
    return answer(status, reason)
