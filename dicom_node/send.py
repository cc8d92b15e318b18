"""The storage SCU: DICOM files to a storage SCP, with what it answered for each."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from itertools import zip_longest
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.association import Association
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext, build_context

from config.errors import DeliveryError, UnreadableInstanceError
from dicom_node.audit.events import SentInstances, Transfer
from dicom_node.calling import ANSWER_TIMEOUT_S, Peer, association_with
from dicom_node.header import read_attributes, split_file
from dicom_node.store_channel import StoreChannel, store_channel

DUPLICATE = 0x0111
MEANINGS = (
    (0xFF00, 0xA700, "out of resources"),
    (0xFF00, 0xA900, "data set does not match SOP class"),
    (0xF000, 0xB000, "warning"),
    (0xF000, 0xC000, "cannot understand"),
    (0xFFFF, DUPLICATE, "duplicate SOP instance"),
    (0xFFFF, 0x0110, "processing failure"),
    (0xFFFF, 0x0122, "SOP class not supported"),
    (0xFFFF, 0x0124, "not authorized"),
)
"""PS3.4 table B.2-1 and PS3.7 annex C, in words of our own."""
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Between which an object changes without a change of any element."""
MAXIMUM_CONTEXTS = 128
"""PS3.8 section 9.3.2.2: presentation context ids are the odd numbers of one byte."""


Decompressing = Mapping[UID, Callable[[Dataset], Dataset]]
"""Of a SOP class how its compressed objects become the same instances with plain samples."""
OtherClasses = Mapping[UID, tuple[UID, Callable[[Dataset], Dataset]]]
"""Of a SOP class the one that its objects may be made into, and how."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the peer answered for one file."""

    path: Path
    sop_instance_uid: str
    status: int | None
    """The C-STORE-RSP status; None when no answer came or no presentation context fits."""
    obstacle: str = ""
    """Why there is no status, in our words."""
    takes_none_such: bool = False
    """The peer accepted no presentation context that fits."""
    is_trouble: bool = False
    """The obstacle is the peer's, or on the way to it, and none of the file's."""
    may_be_there: bool = False
    """It went, and the obstacle does not say what became of it."""
    sent_as: str = ""
    """The SOP Instance UID that it went under, where that is another."""
    comment: str = ""
    """The peer's own words, which may name the patient: for the eyes of who sends, never logged or stored."""

    @property
    def accepted(self) -> bool:
        """Whether the peer took the object: success, or a warning (PS3.4 table B.2-1: Bxxx)."""
        return self.status is not None and (self.status == 0x0000 or is_warning(self.status))

    @property
    def already_there(self) -> bool:
        """Whether the peer has an object of this UID (PS3.7 C.5.7)."""
        return self.status == DUPLICATE

    @property
    def refuses_the_kind(self) -> bool:
        """Whether the peer takes no objects of this SOP class, or none that are encoded like this (PS3.7 C.5.6)."""
        return self.takes_none_such or self.status == 0x0122

    @property
    def is_out_of_resources(self) -> bool:
        """Whether the peer has no room for anything now (PS3.4 table B.2-1: A7xx)."""
        return self.status is not None and self.status & 0xFF00 == 0xA700

    @property
    def is_missing(self) -> bool:
        """Whether the peer gave none: it broke off the association, or said nothing in time."""
        return self.status is None and not self.obstacle

    def __str__(self) -> str:
        if self.status is None:
            return self.obstacle or "no answer"
        meaning = next((text for mask, code, text in MEANINGS if self.status & mask == code), "")
        return f"0x{self.status:04X} {meaning}".strip()


def is_warning(status: int) -> bool:
    """Whether this says that the object was taken, and something about it (PS3.4 table B.2-1: Bxxx)."""
    return status & 0xF000 == 0xB000


@dataclass(frozen=True, kw_only=True)
class _Object:
    path: Path
    sop_class_uid: UID
    sop_instance_uid: str
    transfer_syntax_uid: UID
    data_set_at: int
    decompress: Callable[[Dataset], Dataset] | None
    """None where it is not compressed, or stays so."""
    went_as_other: bool


def send_files(
    paths: Sequence[Path],
    peer: Peer,
    *,
    other_classes: OtherClasses | None = None,
    decompressing: Decompressing | None = None,
    went_as_other: Collection[Path] = (),
    still_wanted: Callable[[Path], bool] = lambda _: True,
) -> Generator[Answer, None, None]:
    """Send DICOM files in one association, an answer for each as it comes.

    `still_wanted` is asked about each right before it goes: what it declines is not sent, and has no answer.

    Each goes in its own transfer syntax; one that is not compressed in the other VR encoding of Little Endian, with the
    same elements, where the peer takes that alone; a compressed one of a class of `decompressing`, so, in either of
    them where the peer takes none of its own. Where it takes none of the SOP class, but one of `other_classes`, as
    an object of that: these are objects of ours; and `went_as_other` go so and not otherwise, as they did before: the
    peer would have them twice. Closing the generator releases the association.

    Raises
    ------
    UnreadableInstanceError
        A path is not a DICOM file; nothing was sent.
    DeliveryError
        The peer is out of reach, rejects the association, or broke it off; what had no answer was not accepted.
    """
    objects = [_object(path, decompressing or {}, went_as_other=path in went_as_other) for path in paths]
    others = other_classes or {}
    sent = SentInstances(peer.remote)
    try:
        with association_with(peer, _contexts(objects, others)) as association:
            accepted = {
                (str(context.abstract_syntax), str(context.transfer_syntax[0])): context.context_id or 0
                for context in association.accepted_contexts
            }
            with _channel(association, peer) as channel:
                for item in objects:
                    if not channel.is_usable:
                        raise _broken_off(peer)
                    if not still_wanted(item.path):
                        continue
                    answer = _send(channel, accepted, item, others)
                    if peer.audit is not None:
                        sent.add(_transfer(item, answer, others))
                    yield answer
    finally:
        peer.tell(sent.messages())


def _transfer(item: _Object, answer: Answer, others: OtherClasses) -> Transfer:
    dataset = read_attributes(item.path, ("StudyInstanceUID", "PatientID"))
    return Transfer(
        sop_class_uid=others[item.sop_class_uid][0] if answer.sent_as else item.sop_class_uid,
        study_instance_uid=str(dataset.get("StudyInstanceUID") or ""),
        patient_id=str(dataset.get("PatientID") or "") or None,
        failure="" if answer.accepted or answer.already_there else str(answer),
    )


def _object(path: Path, decompressing: Decompressing, *, went_as_other: bool) -> _Object:
    try:
        meta, position = split_file(path)
    except OSError as error:
        raise UnreadableInstanceError(f"{path.name}: {error.strerror}") from error
    return _Object(
        path=path,
        sop_class_uid=meta.MediaStorageSOPClassUID,
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
        transfer_syntax_uid=meta.TransferSyntaxUID,
        data_set_at=position,
        decompress=decompressing.get(meta.MediaStorageSOPClassUID) if meta.TransferSyntaxUID.is_compressed else None,
        went_as_other=went_as_other,
    )


def _contexts(objects: Iterable[_Object], others: OtherClasses) -> list[PresentationContext]:
    """A context for each pair: the acceptor chooses one transfer syntax of each context, and ours is to win."""
    ranks = zip_longest(*(_choices(item, others) for item in objects))  # should they be too many, the last are left out
    wanted = dict.fromkeys(pair for rank in ranks for pair in rank if pair)
    return [build_context(sop_class, syntax) for sop_class, syntax in wanted][:MAXIMUM_CONTEXTS]


def _choices(item: _Object, others: OtherClasses) -> list[tuple[UID, UID]]:
    """SOP class and transfer syntax that it may go in, what is best first: its own, where it may be chosen."""
    own = item.transfer_syntax_uid
    is_plain = own in UNCOMPRESSED or item.decompress is not None
    syntaxes = [own, *(syntax for syntax in UNCOMPRESSED if is_plain and syntax != own)]
    other = [others[item.sop_class_uid][0]] if item.sop_class_uid in others else []
    classes = other if item.went_as_other and other else [item.sop_class_uid, *other]
    return [(sop_class, syntax) for sop_class in classes for syntax in syntaxes]


@contextmanager
def _channel(association: Association, peer: Peer) -> Iterator[StoreChannel]:
    try:
        with store_channel(association, answer_timeout_s=ANSWER_TIMEOUT_S) as channel:
            yield channel
    except ConnectionResetError as error:
        raise _broken_off(peer) from error


def _broken_off(peer: Peer) -> DeliveryError:
    return DeliveryError(f"{peer}: broke off the association")


def _send(
    channel: StoreChannel, accepted: Mapping[tuple[str, str], int], item: _Object, others: OtherClasses
) -> Answer:
    chosen = next((choice for choice in _choices(item, others) if choice in accepted), None)
    if chosen is None:
        obstacle = f"accepts no {_choices(item, others)[0][0].name} in {item.transfer_syntax_uid.name}"
        return Answer(
            path=item.path,
            sop_instance_uid=item.sop_instance_uid,
            status=None,
            obstacle=obstacle,
            takes_none_such=True,
        )
    sop_class, syntax = chosen
    uid = item.sop_instance_uid
    if chosen == (item.sop_class_uid, item.transfer_syntax_uid):
        with item.path.open("rb") as file:
            length = file.seek(0, SEEK_END) - item.data_set_at
            file.seek(item.data_set_at)
            response = channel.store(accepted[chosen], sop_class, uid, file, length)
    else:
        dataset: Dataset = dcmread(item.path)
        if sop_class != item.sop_class_uid:
            dataset = others[item.sop_class_uid][1](dataset)
            uid = str(dataset.SOPInstanceUID)
        if item.decompress and not syntax.is_compressed:
            dataset = item.decompress(dataset)
        content = _encoded(dataset, syntax, item.path)
        response = channel.store(accepted[chosen], sop_class, uid, BytesIO(content), len(content))
    return Answer(
        path=item.path,
        sop_instance_uid=item.sop_instance_uid,
        status=response.status if response else None,
        sent_as="" if uid == item.sop_instance_uid else uid,
        comment=response.comment if response else "",
    )


def _encoded(dataset: Dataset, transfer_syntax_uid: UID, path: Path) -> bytes:
    """A data set in one of the uncompressed transfer syntaxes: the same elements (PS3.5 annex A)."""
    content = encode(Dataset(dataset), transfer_syntax_uid.is_implicit_VR, is_little_endian=True)
    if content is None:
        raise UnreadableInstanceError(f"{path.name}: cannot be encoded in {transfer_syntax_uid.name}")
    return content
