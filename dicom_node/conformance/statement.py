"""The DICOM conformance statement, from the tables and settings that configure the node; outline after PS3.2.

Nothing is said twice: what a status or a rejection means stands beside it in its own module.
"""

from importlib.metadata import version

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.tag import Tag
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage, ExplicitVRLittleEndian
from pynetdicom import DEFAULT_TRANSFER_SYNTAXES, PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom import __version__ as pynetdicom_version
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from config.catalogue import load_catalogue
from config.sections.peers import Role, UnknownPeers
from config.settings import Settings
from dicom_node import calling, statuses
from dicom_node.archive import retrieve
from dicom_node.archive import statuses as query_statuses
from dicom_node.archive.query import SERIES_KEYS, STUDY_KEYS
from dicom_node.conformance.commitment import commitment_section
from dicom_node.conformance.companions import COMPANION_CLASSES, companions_section
from dicom_node.conformance.content import report_section
from dicom_node.conformance.markdown import code_pattern, document, facts, table
from dicom_node.conformance.security import security_section
from dicom_node.conformance.sending import dicomweb_section, how_objects_are_sent
from dicom_node.contexts import (
    DOCUMENT_CLASSES,
    RETIRED_ULTRASOUND,
    SELDOM_COMPRESSED,
    STORAGE_CLASSES,
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from dicom_node.reception.access import REJECTED_WHEN

REGENERATE = "echoworker conformance > docs/conformance.md"
"""The command that makes the statement of the default settings again."""

_ROLES = {
    Role.SENDER: "sends instances to us",
    Role.DESTINATION: "gets our reports",
    Role.ARCHIVE: "is queried and retrieved from",
    Role.FORWARD: "gets what rules forward",
}
_UNKNOWN = {
    UnknownPeers.REFUSE: "refused",
    UnknownPeers.LOOPBACK: "accepted from this machine itself, refused from anywhere else",
    UnknownPeers.ACCEPT: "accepted",
}
_RESULTS = {1: "1 rejected permanent", 2: "2 rejected transient"}
_SOURCES = {1: "1 service user", 2: "2 service provider, ACSE", 3: "3 service provider, presentation"}
_REASONS = {
    (1, 1): "1 no reason given",
    (1, 3): "3 calling AE title not recognized",
    (1, 7): "7 called AE title not recognized",
    (3, 2): "2 local limit exceeded",
}
"""PS3.8 table 9-21."""
_DEFAULT_SYNTAXES = ", ".join(UID(syntax).name for syntax in DEFAULT_TRANSFER_SYNTAXES)
"""What pynetdicom proposes and accepts for a context that names none."""


def conformance_statement(settings: Settings) -> str:
    """The statement of an installation with these settings, as Markdown.

    Raises
    ------
    ConfigurationError
        The task catalogue cannot be read.
    """
    return document(
        "# DICOM conformance statement",
        f"EchoWorker {version('echoworker')}. Made by `echoworker conformance` from the tables and settings that "
        "configure the software; the structure follows DICOM PS3.2.",
        _implementation_model(settings),
        _associations(settings),
        _as_scp(),
        commitment_section(settings),
        _as_scu(settings),
        dicomweb_section(),
        _query_retrieve(),
        report_section(load_catalogue(settings.catalogue_path)),
        companions_section(),
        security_section(settings),
        _character_sets(),
    )


def _implementation_model(settings: Settings) -> str:
    peers = [
        (
            peer.name,
            f"`{peer.ae_title}`",
            ", ".join(_ROLES[role] for role in peer.roles),
            f"{peer.host}:{peer.port}" if peer.host else "",
            "yes" if peer.tls else "no",
            ", ".join(peer.sop_classes) or "all",
        )
        for peer in settings.peers
    ]
    return document(
        "## Implementation model",
        f"One application entity, `{settings.node.ae_title}`. It receives ultrasound studies by C-STORE, also as "
        "they come from C-MOVE or C-GET requests of its own, keeps them, scores them, and sends a Structured Report of "
        "each to the configured destinations; instances go on to other application entities where rules say so.",
        "Real-world activities: a modality or archive stores, and the node receives; a study is scored, and the node "
        "sends the report; an operator asks for prior studies (`echoworker fetch`), and the node queries and "
        "retrieves; an operator examines the installation (`echoworker doctor`), and the node sends C-ECHO.",
        "Remote application entities of this configuration:" if peers else "No remote application entity is named.",
        table(("name", "AE title", "it", "called at", "TLS", "SOP classes that it may store"), peers) if peers else "",
    )


def _associations(settings: Settings) -> str:
    node = settings.node
    ports = [f"{node.port} (`node.port`)"] if settings.tls.accept_without_tls else []
    ports += [f"{settings.tls.port} by TLS (`tls.port`)"] if settings.tls.enabled else []
    rejections = [
        (
            _RESULTS[rejection.value[0]],
            _SOURCES[rejection.value[1]],
            _REASONS[rejection.value[1], rejection.value[2]],
            when,
        )
        for rejection, when in REJECTED_WHEN.items()
    ]
    return document(
        "## Associations",
        "### General",
        facts(
            [
                ("application context", "1.2.840.10008.3.1.1.1"),
                ("implementation class UID", PYNETDICOM_IMPLEMENTATION_UID),
                (
                    "implementation version name",
                    f"`{PYNETDICOM_IMPLEMENTATION_VERSION}` (pynetdicom {pynetdicom_version})",
                ),
                ("TCP port listened on", ", ".join(ports)),
                ("maximum PDU received", f"{node.maximum_pdu_bytes} (`node.maximum_pdu_bytes`)"),
                (
                    "simultaneous associations accepted",
                    f"{node.maximum_associations} (`node.maximum_associations`) in each receiving process "
                    f"(`node.processes`: {node.processes}); for a peer its own `maximum_associations`",
                ),
                (
                    "connections without an association",
                    f"{node.maximum_waiting} (`node.maximum_waiting`) in each process, of one address "
                    f"{node.maximum_waiting_of_one_address} (`node.maximum_waiting_of_one_address`); the longest goes",
                ),
                ("asynchronous operations", "none: one operation at a time"),
                (
                    "extended negotiation",
                    "SCP/SCU role selection, requested for C-GET alone. SOP class extended and common extended "
                    "negotiation, asynchronous operations window and user identity are not negotiated: as acceptor "
                    "they are ignored, and the association goes on without them",
                ),
            ]
        ),
        "### Timeouts",
        facts(
            [
                (
                    "from connection to association request",
                    f"{node.request_timeout_s:g} s, TLS included (`node.request_timeout_s`), then it is closed (ARTIM)",
                ),
                (
                    "silence on an accepted association, and the time that one PDU may take",
                    f"{node.idle_timeout_s:g} s (`node.idle_timeout_s`), then it is aborted",
                ),
                (
                    "at shutdown",
                    f"{node.drain_timeout_s:g} s for running associations (`node.drain_timeout_s`), no new ones",
                ),
                ("connection and answer to an association request of ours", f"{calling.CONNECT_TIMEOUT_S} s"),
                ("answer to a DIMSE request of ours", f"{calling.ANSWER_TIMEOUT_S} s"),
                ("silence during a C-MOVE or C-GET of ours", f"{retrieve.SILENCE_TIMEOUT_S:g} s"),
            ]
        ),
        "### Acceptance",
        f"Callers that no peer is configured for are {_UNKNOWN[node.unknown_peers]} (`node.unknown_peers`). "
        f"{'Callers have' if node.require_called_ae_title else 'Callers do not have'} to address the node by its AE "
        "title (`node.require_called_ae_title`). A refused caller gets an A-ASSOCIATE-RJ, and is listed by "
        "`echoworker callers`:",
        table(("result", "source", "reason", "when"), rejections),
        "Of a presentation context with several transfer syntaxes the node takes the first that the sender names.",
    )


def _as_scp() -> str:
    classes = [(_class_name(uid), uid, "SCP") for uid in (VERIFICATION, *STORAGE_CLASSES)]
    answers = [(f"{status:04X}", statuses.MEANINGS[status]) for status in statuses.StorageStatus]
    return document(
        "## Verification and Storage as SCP",
        table(("SOP class", "UID", "role"), classes),
        f"Verification in {_DEFAULT_SYNTAXES}; each storage class in each of these:",
        table(("transfer syntax", "UID"), [(uid.name, uid) for uid in TRANSFER_SYNTAXES]),
        "All of them are decoded for scoring. A peer's `sop_classes` narrow what it may propose.",
        "### Storage behaviour",
        "Level 2 (full): every attribute, private ones included, is kept; an instance is kept byte for byte as its "
        "data set came, in the transfer syntax of its presentation context. No attribute is coerced. It is "
        "acknowledged once it and its folder are flushed to the disk. Nothing is deleted unless a "
        "retention time is set (`[keep]`).",
        "An instance that comes again with the same bytes is acknowledged and kept once. So is one that "
        "comes again with the same elements in another uncompressed transfer syntax, or with sequences of another kind "
        "of length: the first is kept. Other bytes under a known SOP Instance UID, which a sender also makes by "
        "compressing, never replace the first: they are kept beside it, in quarantine, and answered with the warning. "
        "To that sender, storage commitment is then refused for the UID until it has sent what is kept. All this is "
        "within a study: in another one the same UID is an instance of its own, as an archive that splits or merges "
        "studies sends it.",
        table(("status", "when"), answers),
        "Error Comment (0000,0902) says what was wrong, without a value of the data set.",
    )


def _as_scu(settings: Settings) -> str:
    return document(
        "## Storage and Verification as SCU",
        table(
            ("SOP class", "UID", "transfer syntax", "role"),
            [
                (Comprehensive3DSRStorage.name, Comprehensive3DSRStorage, ExplicitVRLittleEndian.name, "SCU"),
                *((uid.name, uid, syntax.name, "SCU") for uid, syntax in COMPANION_CLASSES.items()),
                (ComprehensiveSRStorage.name, ComprehensiveSRStorage, "the same; only as second choice", "SCU"),
                ("those of received instances, forwarded by rules", "as above", "as received (see below)", "SCU"),
                (_class_name(VERIFICATION), VERIFICATION, _DEFAULT_SYNTAXES, "SCU"),
            ],
        ),
        *how_objects_are_sent(settings),
    )


def _query_retrieve() -> str:
    models = (
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelMove,
        StudyRootQueryRetrieveInformationModelGet,
    )
    without = ", ".join(_class_name(uid) for uid in (*DOCUMENT_CLASSES, *SELDOM_COMPRESSED))
    return document(
        "## Query/Retrieve as SCU",
        "Of peers with the role `archive` (`echoworker fetch`):",
        table(("SOP class", "UID", "role"), [(uid.name, uid, "SCU") for uid in models]),
        f"In {_DEFAULT_SYNTAXES}.",
        "### C-FIND",
        table(("key", "tag", "at STUDY level"), [(*_attribute(key), use) for key, use in STUDY_KEYS.items()]),
        "What an answer lacks of modalities and number of instances is asked for at SERIES level:",
        table(("key", "tag", "at SERIES level"), [(*_attribute(key), use) for key, use in SERIES_KEYS.items()]),
        "Every answer is checked against the keys again, so that an archive may ignore them. No wildcard is sent. "
        "Specific Character Set is ISO_IR 192 where a key is not ASCII. C-CANCEL is sent once enough is found. No "
        "relational queries, no extended negotiation.",
        "### C-MOVE and C-GET",
        "C-MOVE asks for one study, to our own AE title: the archive must know it, with the node's host and port. "
        "C-GET asks for one study and proposes, with SCP role selection, every storage class of the node: in Explicit "
        "and Implicit VR Little Endian, and with one presentation context more for each further transfer syntax, but "
        f"for these: {without}. An instance that comes by C-GET is answered with the statuses of the storage SCP, on "
        "the same terms. A peer's `retrieve` says which of both is used.",
        "### Statuses",
        "Pending (FF00, FF01) goes on, 0000 is success, B000 of a retrieval is success where no sub-operation failed; "
        "any other status ends the request as failed, shown with its meaning:",
        table(
            ("status", "meaning"),
            [(code_pattern(mask, code), meaning) for mask, code, meaning in query_statuses.MEANINGS],
        ),
    )


def _character_sets() -> str:
    return document(
        "## Character sets",
        "Data sets in any Specific Character Set are kept as they are. Of their text, only what identifies patient and "
        "study is read. In a report, a Specific Character Set of the images that is one of the single-byte sets "
        "(`ISO_IR` 100 and its like) or ISO_IR 192 is kept; text in any other, ISO 2022 extensions and GB18030 "
        "included, is decoded and written as ISO_IR 192. A term that DICOM does not know is read as Latin alphabet "
        "No. 1. Queries are ASCII or ISO_IR 192.",
    )


def _class_name(uid: UID) -> str:
    return f"{uid.name} (retired)" if uid in RETIRED_ULTRASOUND else uid.name


def _attribute(keyword: str) -> tuple[str, str]:
    tag = Tag(tag_for_keyword(keyword) or 0)
    return dictionary_description(tag), f"({tag.group:04X},{tag.element:04X})"
