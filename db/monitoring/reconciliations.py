"""What archives have and we have not, day by day: the last look at each."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from db.portions import in_portions
from db.states import DeliveryState
from db.tables.deliveries import Delivery, Report
from db.tables.monitoring import Reconciliation
from db.tables.studies import Instance, Study


def record_reconciliation(session: Session, row: Reconciliation) -> None:
    """In place of the look before at the same archive and day."""
    session.merge(row)


def reconciliations(session: Session, *, since: date) -> list[Reconciliation]:
    """Of the days from then on, the latest first."""
    rows = select(Reconciliation).where(Reconciliation.day >= since)
    return list(session.scalars(rows.order_by(Reconciliation.day.desc(), Reconciliation.archive)))


def instances_and_objects(
    session: Session, uids: Collection[str], *, besides: Collection[str] = ()
) -> dict[str, tuple[int, int]]:
    """Of each study that is here: how many instances, and how many objects of ours somebody has accepted.

    An archive that is a destination counts our reports among the instances of their study. What has come back from
    there is an instance here. `besides` are the names of destinations that got results, and no objects.
    """
    accepted = (DeliveryState.SENT, DeliveryState.DELIVERED)
    is_back = exists().where(
        Instance.study_id == Study.id,
        Instance.sop_instance_uid == func.coalesce(Delivery.sent_as, Report.sop_instance_uid),
    )
    instances = select(func.count(Instance.id)).where(Instance.study_id == Study.id).scalar_subquery()
    objects = (
        select(func.count(func.distinct(Report.id)))
        .join(Delivery, Delivery.report_id == Report.id)
        .where(
            Report.study_id == Study.id,
            Delivery.state.in_(accepted),
            Delivery.destination.not_in(besides),
            ~is_back.correlate(Study, Delivery, Report),
        )
        .scalar_subquery()
    )
    found: dict[str, tuple[int, int]] = {}
    for some in in_portions(sorted(uids)):
        rows = select(Study.study_instance_uid, instances, objects).where(Study.study_instance_uid.in_(some))
        found |= {uid: (received, made) for uid, received, made in session.execute(rows)}
    return found
