"""What waits for a destination goes there: objects by C-STORE, many in one association, or by STOW-RS; or messages.

What is sent is what was built, or nothing: each object's bytes are compared with their digest before they leave.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from config.errors import BucketAwayError, ConfigurationError, DeliveryError, RefusedError, ReportError, SpoolAwayError
from config.logs import Event, emit, place_of
from config.sections.dicomweb import DicomWebSettings
from config.sections.messages import MessageSettings
from config.sections.report_objects import ReportObject
from config.steps import Purpose
from db.away import say_away
from db.consistency.discordance_rows import told_of
from db.delivery.deliveries import cancel_deliveries
from db.delivery.delivering import Answered, DueDelivery, due_deliveries, owed_run, owed_to
from db.delivery.queues import QueueClaim, Trouble
from db.lifecycle.announcing import announce_due_deliveries
from worker.context import Destination, WorkerContext
from worker.delivery_answers import Answers
from worker.peer_queues import work_on_queue
from worker.result_messages import tell_result
from worker.steps.stored_report import is_intact
from worker.storing import store_objects, stow_objects

BATCH = 100
"""Objects an association, no more than it can have presentation contexts; then the next destination gets its turn."""


def deliver_to(context: WorkerContext, name: str) -> None:
    """Send a destination what waits for it, if nobody else does; a message that is late or doubled changes nothing."""
    try:
        destination = context.destination(name)
        if destination is None:
            _cancel_all(context, name)
        else:
            work_on_queue(context, name, Purpose.DELIVER, lambda held: _deliver(context, held, destination))
        announce_due_deliveries(context.database, context.broker, context.settings)
    except SQLAlchemyError as error:
        # What was not written down is sent again: the same objects, under the same UIDs.
        say_away(error, destination=name)


def _deliver(context: WorkerContext, held: QueueClaim, destination: Destination) -> Trouble | None:
    with context.database.read() as session:
        due = due_deliveries(session, destination.name, now=datetime.now(UTC), limit=BATCH)
    if not due:
        return None
    try:
        context.require_spool()
    except SpoolAwayError as error:
        return Trouble(reason=str(error), is_ours=True)
    answers = Answers(context, held)
    wanted = _still_wanted(context, destination, due)
    try:
        fit = [item for item in wanted if item.is_sent or _is_fit(context, answers, item)]
        if isinstance(destination, MessageSettings):
            return _tell_results(context, answers, destination, fit)
        if isinstance(destination, DicomWebSettings):
            return stow_objects(context, answers, destination, fit)
        return store_objects(context, answers, destination, fit)
    except (ConfigurationError, BucketAwayError) as error:  # a certificate or token that cannot be used
        return Trouble(reason=str(error), is_ours=True)


def _still_wanted(context: WorkerContext, destination: Destination, due: Sequence[DueDelivery]) -> list[DueDelivery]:
    """Asked again at this moment: since the report was built, the settings may have changed."""
    unwanted = [item for item in due if item.model_label not in destination.accept_models]
    for label in sorted({item.model_label for item in unwanted}):
        reason = f"accepts no results of {label} models any more"
        _cancel(context, destination.name, [i.delivery_id for i in unwanted if i.model_label is label], reason)
    return [item for item in due if item not in unwanted]


def _is_fit(context: WorkerContext, answers: Answers, item: DueDelivery) -> bool:
    try:
        intact = is_intact(context, item)
    except OSError as error:  # a bad sector, a share that hiccups: this one waits, the others go on
        answers.note(item, Answered.NOT_SENT, place_of(error))
        return False
    if not intact:
        what = "report" if item.kind is ReportObject.SR else item.kind
        lost = f"{what} {item.sop_instance_uid} is lost or changed in the spool: requeue the study with --step report"
        answers.note(item, Answered.UNFIT, lost)
    return intact


def _tell_results(
    context: WorkerContext, answers: Answers, receiver: MessageSettings, due: Sequence[DueDelivery]
) -> Trouble | None:
    for item in due:
        with context.database.read() as session:
            run = owed_run(session, item)
            told = None if run is None else told_of(session, run.run_uid)
        if run is None or not answers.is_still_wanted(item):  # a later run has a delivery of its own
            continue
        try:
            report = context.spool.file(item.spool_path)
            said = tell_result(context, receiver, run, report, item.language, told)
        except BucketAwayError:
            raise
        except ReportError as error:
            answers.note(item, Answered.UNFIT, str(error))
        except RefusedError as error:
            answers.note(item, Answered.REFUSED, str(error))
        except ConfigurationError:
            raise
        except DeliveryError as error:
            answers.note(item, Answered.NOT_NOW, str(error))
            return Trouble(reason=str(error))
        except Exception as error:  # noqa: BLE001  its text may hold PHI; the others are told all the same
            answers.note(item, Answered.NOT_SENT, place_of(error))
        else:
            answers.note(item, Answered.ACCEPTED, said)
    return None


def _cancel_all(context: WorkerContext, name: str) -> None:
    while True:
        with context.database.read() as session:
            owed = owed_to(session, name, limit=BATCH)
        if not owed:
            return
        _cancel(context, name, owed, "no longer among the configured destinations")


def _cancel(context: WorkerContext, name: str, delivery_ids: Sequence[int], reason: str) -> None:
    with context.database.write() as session:
        of_studies = cancel_deliveries(session, delivery_ids, reason=reason, now=datetime.now(UTC))
    for uid, count in of_studies.items():
        emit(Event.DELIVERIES_CANCELLED, study_instance_uid=uid, destination=name, reason=reason, count=count)
