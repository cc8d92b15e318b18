"""The part of the conformance statement on storage commitment (PS3.4 annex J)."""

from collections.abc import Mapping

from config.settings import Settings
from dicom_node.conformance.markdown import document, table
from dicom_node.statuses import ACTION_MEANINGS, FAILURE_MEANINGS, CommitmentStatus


def commitment_section(settings: Settings) -> str:
    """What is asked of us, and what we ask."""
    again = f"{settings.pipeline.commitment_again_after_s:g} s"
    return document(
        "## Storage commitment",
        "Storage Commitment Push Model (1.2.840.10008.1.20.1).",
        "### As SCP",
        "For every peer with the role `sender` and every unknown one that is let in. Referenced instances are judged "
        "within seconds, once the registry is there; files are kept without a limit of time. No Retrieve AE Title and "
        "no Storage Media File-Set is sent.",
        table(("N-ACTION status", "when"), _rows(ACTION_MEANINGS)),
        table(
            ("Failure Reason (0008,1197)", "when"), [(f"{code:04X}", when) for code, when in FAILURE_MEANINGS.items()]
        ),
        "N-EVENT-REPORT, event type 1 when all are committed to, else 2, goes out on the association of the request "
        "while it is open, otherwise on a new one to the configured host and port, where the node proposes the SCP "
        "role (PS3.7 annex D.3.3.4). It is repeated until it is answered 0000, for a day. A transaction that is "
        "requested twice is reported twice.",
        "### As SCU",
        "Of destinations with `storage_commitment = true`, after each association in which they accepted something: "
        "all of that in one transaction, a new Transaction UID for each request. The report is taken on the "
        "association of the request, for a moment, or on one that the destination opens, proposing the SCP role, with "
        f"its configured AE title. Without a report the request is repeated after {again} "
        "(`pipeline.commitment_again_after_s`). N-EVENT-REPORT is answered 0000 once it is durable, also for a "
        "transaction that is unknown; 0113 for an unknown event type, 0115 where UIDs are missing or invalid, 0213 "
        "where it cannot be written.",
    )


def _rows(meanings: Mapping[CommitmentStatus, str]) -> list[tuple[str, str]]:
    return [(f"{code:04X}", when) for code, when in meanings.items()]
