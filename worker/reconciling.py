"""Once a day the archives are asked what never came here."""

from datetime import datetime

from dicom_node.archive.reconciling import archives, reconcile
from worker.context import WorkerContext
from worker.nightly import last_time, once_a_day

DUTY = "reconciliation"


def reconcile_if_due(context: WorkerContext, *, now: datetime) -> None:
    """Ask every archive, where the settings name a time for it."""
    settings, wanted = context.settings, context.settings.monitoring.reconcile
    if not wanted.at or not archives(settings):
        return
    last_day = last_time(wanted.at, now=now).date()

    def work() -> bool:
        for archive in archives(settings):
            looks = reconcile(
                settings, context.database, archive, last_day=last_day, days=wanted.days, fetch=wanted.fetch
            )
            for _ in looks:
                pass
        return True

    once_a_day(context, DUTY, wanted.at, work, now=now)
