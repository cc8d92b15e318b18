"""The part of the conformance statement on how objects of ours are sent: by C-STORE, and by DICOMweb (PS3.18)."""

from config.settings import Settings
from dicom_node import send
from dicom_node.conformance.markdown import code_pattern, document, table
from dicom_node.stow import ALL_STORED, JSON, NONE_STORED, SOME_STORED


def how_objects_are_sent(settings: Settings) -> tuple[str, ...]:
    """What is negotiated, and what an answer means: paragraphs of a section."""
    attempts = settings.pipeline.maximum_delivery_attempts
    return (
        "Each pair of SOP class and transfer syntax has a presentation context of its own, at most "
        f"{send.MAXIMUM_CONTEXTS}. For an object in Explicit or Implicit VR Little Endian one in the other of these is "
        "proposed as well: it is used, with the same elements, where the peer accepts that alone. For a report of ours "
        "Comprehensive SR Storage is proposed as well: where the peer accepts no Comprehensive 3D SR Storage, it gets "
        "the same content as an object of that class, with a SOP Instance UID that follows from the report's. For a "
        "heat map Explicit and Implicit VR Little Endian are proposed as well: where the peer accepts no JPEG "
        "Baseline, it gets the same instance decompressed, RGB, with Lossy Image Compression 01. Nothing else is "
        "converted. A data set of odd length, as deflated ones may have in files, is sent with a null byte more (PS3.5 "
        "section A.5). Up to 100 objects go in one association, one after the answer to the other.",
        "Accepted is: 0000; a warning, Bxxx; and for an object of ours 0111, duplicate SOP instance, since the UID "
        "follows from study and run: what the peer has under it is this object, of an attempt whose answer was lost. "
        "After A7xx, or when the peer is out of reach, rejects the association or breaks it off, nothing more is sent "
        "to it for a pause; the pauses grow. With any other status, or none, or A7xx once more after others were "
        "accepted, the object is sent again with growing "
        f"pauses, at most {attempts} times (`pipeline.maximum_delivery_attempts`); then the study is FAILED until "
        "somebody has it sent once more. A resend is the same object, with the same UID and the same bytes. These "
        "statuses are shown with a meaning:",
        table(("status", "meaning"), [(code_pattern(mask, code), meaning) for mask, code, meaning in send.MEANINGS]),
    )


def dicomweb_section() -> str:
    """What we send by STOW-RS, and how the answer is taken."""
    of_each = f"{ALL_STORED}, {SOME_STORED}, {NONE_STORED}"
    return document(
        "## DICOMweb",
        "To `[[dicomweb]]` entries as user agent of the Studies Service, Store Transaction (STOW-RS, PS3.18 section "
        "10.5); nothing is offered as origin server. `POST {url}/studies`, one object a request as `multipart/related; "
        'type="application/dicom"`, in the transfer syntax in which it was made, or uncompressed in Explicit VR Little '
        "Endian for a server with `compressed = false`; the answer is asked for as "
        f"`{JSON}`. The same objects as by C-STORE, with the same back-off, over HTTP or HTTPS (TLS 1.2 or newer, our "
        "certificate where there is one), with a bearer token where one is configured.",
        table(
            ("answer", "means"),
            [
                (f"{of_each}, object in Referenced SOP Sequence", "accepted, with a Warning Reason as well"),
                (f"{of_each}, object in Failed SOP Sequence", "its Failure Reason counts as a status of C-STORE"),
                (f"{of_each}, object in neither", "sent again; after 200 and 202 it may be there"),
                (
                    "5xx, 408, 429, none",
                    "the server is left alone for a pause; no object is blamed while none is accepted",
                ),
                ("500, 502, 504, none in time", "as well, the object may be there: the next report names it"),
                ("any other", "refused"),
            ],
        ),
    )
