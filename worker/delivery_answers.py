"""What a destination answers is written down at once, object by object, so that nothing is sent twice."""

from dataclasses import dataclass
from datetime import UTC, datetime

from config.logs import Event, emit
from db.delivery.delivering import Answered, DueDelivery, offer, record_answer
from db.delivery.queues import QueueClaim
from db.states import DeliveryState
from worker.context import WorkerContext

_HAS_IT = (Answered.ACCEPTED, Answered.TO_BE_COMMITTED)


@dataclass(frozen=True)
class Answers:
    """The answers of one destination while its queue is held."""

    context: WorkerContext
    held: QueueClaim

    def is_still_wanted(self, item: DueDelivery) -> bool:
        """Asked right before an object goes: False where a later report has taken its place, or its study is read anew.

        Raises
        ------
        LeaseLostError
            The queue has passed to somebody else.
        """
        with self.context.database.write() as session:
            return offer(session, self.held, item.delivery_id, now=datetime.now(UTC))

    def note(self, item: DueDelivery, answered: Answered, answer: str, *, sent_as: str = "") -> None:
        """Write one down; `answer` is in our words, `sent_as` another SOP Instance UID that it was sent under.

        Raises
        ------
        LeaseLostError
            The queue has passed to somebody else.
        """
        with self.context.database.write() as session:
            state = record_answer(
                session,
                self.held,
                item.delivery_id,
                answered,
                answer=answer,
                sent_as=sent_as,
                now=datetime.now(UTC),
                pipeline=self.context.settings.pipeline,
            )
        not_sent = Event.DELIVERY_GIVEN_UP if state is DeliveryState.DEAD else Event.OBJECT_NOT_SENT
        emit(
            Event.OBJECT_SENT if answered in _HAS_IT else not_sent,
            study_instance_uid=item.study_instance_uid,
            sop_instance_uid=item.sop_instance_uid,
            destination=self.held.peer,
            state=state,
            status=answer,
        )
