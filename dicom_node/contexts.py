"""The presentation contexts that the node accepts: what echo machines and PACS send (PS3.4 B, PS3.5 A)."""

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
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    KeyObjectSelectionDocumentStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    SimplifiedAdultEchoSRStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)
from pynetdicom import AE, register_uid
from pynetdicom.service_class import StorageServiceClass

VERIFICATION = UID("1.2.840.10008.1.1")

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
    SimplifiedAdultEchoSRStorage,
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
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    *DOCUMENT_CLASSES,
)

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


def support_contexts(ae: AE) -> None:
    """Let an application entity accept all of them, and C-ECHO."""
    for uid, keyword in RETIRED_ULTRASOUND.items():
        register_uid(uid, keyword, StorageServiceClass)
    for sop_class in STORAGE_CLASSES:
        ae.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
    ae.add_supported_context(VERIFICATION)
