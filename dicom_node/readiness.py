"""Whether the node can do its work now: what a probe asks before it sends anybody here. No secrets, no PHI."""

import json
import shutil
from datetime import UTC, datetime
from importlib.metadata import version

from config.settings import Settings
from dicom_node.bucket import Bucket
from dicom_node.findings import Check, FaultError, Finding, Level, found_by
from dicom_node.reception.reporting import SILENT_AFTER, associations_of_receivers
from dicom_node.services import broker, registry
from dicom_node.spool import Spool


def health() -> str:
    """That this process lives, as JSON: whoever reads it knows."""
    return json.dumps({"alive": True, "version": version("echoworker")}) + "\n"


def look(settings: Settings) -> list[Finding]:
    """Each for itself. The port of the node is not called: its callers are listed and audited."""
    checks: tuple[tuple[str, Check], ...] = (
        ("registry", registry),
        ("spool", _spool),
        ("broker", broker),
        ("node", _node),
        *((("bucket", _bucket),) if settings.bucket.url else ()),
    )
    return [found_by(subject, check, settings) for subject, check in checks]


def readiness(findings: list[Finding]) -> tuple[bool, str]:
    """Whether all is well, and JSON with a line for each check that says what was seen, or what to do."""
    is_ready = all(finding.level is not Level.FAULT for finding in findings)
    lines = [
        json.dumps({"check": each.subject, "ok": each.level is not Level.FAULT, "said": each.said}) for each in findings
    ]
    return is_ready, f'{{"ready": {json.dumps(is_ready)}, "checks": [\n  ' + ",\n  ".join(lines) + "\n]}\n"


def _spool(settings: Settings) -> str:
    spool = Spool.of(settings)
    spool.require_there()
    spool.require_room()
    tried = spool.new_incoming()
    try:
        tried.write_bytes(b"")
        tried.unlink()
    except OSError as error:
        raise FaultError(
            f"{spool.root} cannot be written ({error.strerror}): look at its owner, its mount and its quota"
        ) from error
    return f"can be written, {shutil.disk_usage(spool.root).free >> 30} GiB free"


def _bucket(settings: Settings) -> str:
    if (bucket := Bucket.of(settings.bucket)) is not None:
        bucket.require_answer()
    return f"{settings.bucket.url} answers"


def _node(settings: Settings) -> str:
    receivers = associations_of_receivers(Spool.of(settings), now=datetime.now(UTC))
    if not receivers:
        raise FaultError(
            f"no receiving process has given a sign of life for {SILENT_AFTER.total_seconds():g} s: does echoworker "
            "node (or up) run on this spool? Its log says why not"
        )
    return f"{len(receivers)} receiving, {sum(receivers)} associations open"
