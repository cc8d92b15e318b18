"""Whether results reach their destinations: dead letters, destinations out of reach, queues that nobody works on."""

from datetime import UTC, datetime, timedelta

from config.settings import Settings
from db.delivery.dead_letters import DestinationSummary, destination_summaries
from db.states import DeliveryState
from dicom_node.findings import Doubt
from dicom_node.services import asked


def deliveries(settings: Settings) -> str:
    """What waits and why; no process says that it is alive, so what is left lying says that one is not."""
    now = datetime.now(UTC)
    found = asked(settings, lambda session: destination_summaries(session, now=now)) or []
    patience = timedelta(seconds=settings.pipeline.wake_again_after_s)
    troubles = [said for each in found for said in _troubles(each, now - patience)]
    if troubles:
        raise Doubt(f"{'; '.join(troubles)}: echoworker deliveries shows all")
    return "nothing is dead, and every destination that something waits for answers" if found else "nothing waits"


def _troubles(each: DestinationSummary, since: datetime) -> list[str]:
    dead, due = each.counts.get(DeliveryState.DEAD, 0), each.counts.get(DeliveryState.DUE, 0)
    said = [f"{each.destination} has refused {dead} for good"] if dead else []
    if due and each.circuit != "closed":
        return [*said, f"{due} wait for {each.destination} ({each.trouble})"]
    if due and not each.worked_on and each.waiting_since is not None and each.waiting_since < since:
        said.append(f"{due} wait for {each.destination} longer than they should: does the worker of deliver run?")
    return said
