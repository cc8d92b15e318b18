"""The presentation contexts that the node accepts: what echo machines and PACS send (PS3.4 B, PS3.5 A)."""

from collections.abc import Iterable

from pydicom.uid import (
    HEVCMP51,
    JPEG2000,
    MPEG2MPML,
    MPEG4HP41,
    UID,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    EnhancedUSVolumeStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ExtensibleSRStorage,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    KeyObjectSelectionDocumentStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    ProcedureLogStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    SimplifiedAdultEchoSRStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)
from pynetdicom import register_uid
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.service_class import StorageServiceClass

from config.errors import ConfigurationError

VERIFICATION = UID("1.2.840.10008.1.1")
STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")

RETIRED_ULTRASOUND = {
    UID("1.2.840.10008.5.1.4.1.1.6"): "UltrasoundImageStorageRetired",
    UID("1.2.840.10008.5.1.4.1.1.3"): "UltrasoundMultiFrameImageStorageRetired",
}
"""Still sent by machines in the field; pynetdicom would accept the context and abort at the C-STORE."""

DOCUMENT_CLASSES: tuple[UID, ...] = (
    BasicTextSRStorage,
    EnhancedSRStorage,
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
    ExtensibleSRStorage,
    SimplifiedAdultEchoSRStorage,
    ProcedureLogStorage,
    EncapsulatedPDFStorage,
    KeyObjectSelectionDocumentStorage,
)
"""Without pixels, and therefore never compressed."""

STORAGE_CLASSES: tuple[UID, ...] = (
    UltrasoundMultiFrameImageStorage,
    UltrasoundImageStorage,
    EnhancedUSVolumeStorage,
    *RETIRED_ULTRASOUND,
    SecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    *DOCUMENT_CLASSES,
)

SELDOM_COMPRESSED: tuple[UID, ...] = (
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)
"""Image classes for which a C-GET proposes no compression: an association has room for 128 contexts."""

TRANSFER_SYNTAXES: tuple[UID, ...] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    RLELossless,
    MPEG2MPML,
    MPEG4HP41,
    HEVCMP51,
)


def register_retired_classes() -> None:
    """Let pynetdicom know them as storage classes."""
    for uid, keyword in RETIRED_ULTRASOUND.items():
        register_uid(uid, keyword, StorageServiceClass)


def accepted_contexts(sop_classes: Iterable[str] = ()) -> list[PresentationContext]:
    """What a sender may use: these storage classes (UIDs or keywords; none: all), and what every caller may.

    Each storage class in every transfer syntax.

    Raises
    ------
    ConfigurationError
        A class is none that the node stores.
    """
    chosen = [_storage_class(name) for name in sop_classes] or STORAGE_CLASSES
    stored = [build_context(sop_class, list(TRANSFER_SYNTAXES)) for sop_class in chosen]
    return [*stored, *contexts_of_every_caller()]


def take_the_senders_order(proposed: Iterable[PresentationContext], accepted: Iterable[PresentationContext]) -> None:
    """Leave of each proposed context the transfer syntax that is to be accepted, where one is; before the negotiation.

    The acceptor chooses (PS3.8 section 9.3.3.2), and pynetdicom by its own order. A sender names first what it has, or
    would rather send: to choose another would have it convert, which costs the sender time, and disk and network many
    times the bytes when it decompresses; or quality, when it compresses. So the first that it names is taken.
    """
    known = {context.abstract_syntax: context.transfer_syntax for context in accepted}
    for context in proposed:
        fitting = [syntax for syntax in context.transfer_syntax if syntax in known.get(context.abstract_syntax, ())]
        if fitting:
            context.transfer_syntax = [fitting[0]]


def contexts_of_every_caller() -> list[PresentationContext]:
    """C-ECHO, and storage commitment: a sender asks us, a PACS that we asked reports, in the other role."""
    commitment = build_context(STORAGE_COMMITMENT)
    commitment.scu_role = commitment.scp_role = True  # whichever the caller selects (PS3.7 annex D.3.3.4)
    return [build_context(VERIFICATION), commitment]


def _storage_class(name: str) -> UID:
    fitting = next((uid for uid in STORAGE_CLASSES if name in (uid, uid.keyword, RETIRED_ULTRASOUND.get(uid))), None)
    if fitting is None:
        raise ConfigurationError(f"peers: {name} is no SOP class that the node stores")
    return fitting
