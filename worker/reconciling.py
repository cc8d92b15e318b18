"""Once a day the archives are asked what never came here."""

import threading
from datetime import datetime
from functools import partial

from dicom_node.archive.reconciling import archives, reconcile
from worker.context import WorkerContext
from worker.nightly import last_time, once_a_day

DUTY = "reconciliation"


def reconcile_if_due(context: WorkerContext, *, now: datetime) -> None:
    """Ask every archive, where the settings name a time for it.

    Fetching leaves off well before its time limit, which would end what this process sends beside it, and is gone on
    with when beat wakes it next.
    """
    settings, wanted = context.settings, context.settings.monitoring.reconcile
    if not wanted.at or not archives(settings):
        return
    last_day = last_time(wanted.at, now=now).date()
    stop = threading.Event()
    look = partial(
        reconcile, settings, context.database, last_day=last_day, days=wanted.days, fetch=wanted.fetch, stop=stop
    )

    def work() -> bool:
        leaves_off = threading.Timer(settings.time_limits.sending_s / 2, stop.set)
        leaves_off.daemon = True
        leaves_off.start()
        try:
            for archive in archives(settings):
                for _ in look(archive):
                    pass
        finally:
            leaves_off.cancel()
        return not stop.is_set()

    once_a_day(context, DUTY, wanted.at, work, now=now)
