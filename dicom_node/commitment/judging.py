"""The intake's part in storage commitment: it judges what is asked of us, and applies what our destinations report."""

from collections.abc import Sequence
from datetime import UTC, datetime

from config.errors import BucketAwayError
from config.logs import Event, emit
from config.sections.peers import Role
from config.settings import Settings
from db.delivery.commitments import Applied, KnownInstance, apply_report, known_instances
from db.session import Database
from dicom_node.commitment.files import CommitmentFiles, CommitmentRequest
from dicom_node.commitment.messages import CommitmentReport, Failure, Reference
from dicom_node.duties import is_lasting
from dicom_node.spool import Spool
from dicom_node.statuses import CommitmentStatus


class Committing:
    """Between the files of `commitments/` and the registry."""

    def __init__(self, settings: Settings, spool: Spool, database: Database) -> None:
        self._settings = settings
        self._spool = spool
        self._database = database
        self._files = CommitmentFiles(spool)

    def requests(self) -> list[tuple[str, CommitmentRequest]]:
        """What waits to be judged: ask before registering, so that what was sent before is registered when judged."""
        return self._files.requests()

    def judge(self, requests: Sequence[tuple[str, CommitmentRequest]]) -> None:
        """Answer each request by what registry and spool hold."""
        for name, request in requests:
            try:
                report = self._judged(request)
                self._files.answer(name, request, report, now=datetime.now(UTC))
            except Exception as error:
                if not is_lasting(error):
                    raise
                self._files.set_request_aside(name, error)

    def apply_reports(self) -> None:
        """Let the registry know what destinations have committed to; the studies that this is about go on with it."""
        for file, report, ae_title in self._files.reports():
            try:
                applied = self._apply(report, ae_title)
            except Exception as error:
                if not is_lasting(error):
                    raise
                self._files.set_report_aside(file, error)
                continue
            file.unlink(missing_ok=True)
            self._say(applied, report)

    def _apply(self, report: CommitmentReport, ae_title: str) -> list[Applied]:
        destinations = [
            peer.name for peer in self._settings.peers_in(Role.DESTINATION) if peer.ae_title == ae_title.strip()
        ]
        with self._database.write() as session:
            return apply_report(
                session,
                transaction_uid=report.transaction_uid,
                destinations=destinations,
                committed={reference.sop_instance_uid for reference in report.committed},
                failed={failure.sop_instance_uid: _said(failure.reason) for failure in report.failed},
                now=datetime.now(UTC),
                pipeline=self._settings.pipeline,
            )

    def _judged(self, request: CommitmentRequest) -> CommitmentReport:
        with self._database.read() as session:
            known = known_instances(session, {reference.sop_instance_uid for reference in request.references})
        unregistered = self._spool.unregistered_instances() if len(known) < len(request.references) else set()
        committed: list[Reference] = []
        failed: list[Failure] = []
        for reference in request.references:
            uid = reference.sop_instance_uid
            reason = self._obstacle(reference, known.get(uid, ()), unregistered)
            if reason is None and self._spool.is_in_conflict(uid, request.calling_ae_title):
                reason = CommitmentStatus.PROCESSING_FAILURE  # kept under the UID is something else than it sent last
            if reason is None:
                committed.append(reference)
            else:
                failed.append(Failure(*reference, int(reason)))
        return CommitmentReport(
            transaction_uid=request.transaction_uid, committed=tuple(committed), failed=tuple(failed)
        )

    def _obstacle(
        self, reference: Reference, known: Sequence[KnownInstance], unregistered: set[str]
    ) -> CommitmentStatus | None:
        """Why an instance cannot be committed to; None when registry and spool hold it."""
        if not known:
            waits = reference.sop_instance_uid in unregistered  # received, but the registry could not take it
            return CommitmentStatus.PROCESSING_FAILURE if waits else CommitmentStatus.NO_SUCH_INSTANCE
        of_class = [instance for instance in known if instance.sop_class_uid == reference.sop_class_uid]
        if not of_class:
            return CommitmentStatus.CLASS_INSTANCE_CONFLICT
        obstacles = [self._file_obstacle(instance) for instance in of_class]
        return None if None in obstacles else obstacles[0]

    def _file_obstacle(self, instance: KnownInstance) -> CommitmentStatus | None:
        try:
            size = self._spool.size(instance.spool_path)
        except (OSError, BucketAwayError):
            return CommitmentStatus.PROCESSING_FAILURE
        if size is None:
            return CommitmentStatus.NO_SUCH_INSTANCE
        return None if size == instance.size_bytes else CommitmentStatus.PROCESSING_FAILURE

    def _say(self, applied: Sequence[Applied], report: CommitmentReport) -> None:
        if not applied:
            emit(Event.COMMITMENT_UNKNOWN, transaction_uid=report.transaction_uid)
        for each in applied:
            emit(
                Event.COMMITMENT_RECEIVED,
                transaction_uid=report.transaction_uid,
                study_instance_uid=each.study_instance_uid,
                destination=each.destination,
                state=each.state,
                status=each.answer,
            )


_REASONS: dict[int, str] = {
    CommitmentStatus.PROCESSING_FAILURE: "processing failure",
    CommitmentStatus.NO_SUCH_INSTANCE: "no such object instance",
    CommitmentStatus.CLASS_INSTANCE_CONFLICT: "class and instance conflict",
    CommitmentStatus.RESOURCE_LIMITATION: "resource limitation",
}


def _said(reason: int) -> str:
    return f"0x{reason:04X} {_REASONS.get(reason, '')}".strip()
