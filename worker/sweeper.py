"""What beat wakes once an hour: what has outlived its time is removed, of studies and of models that are out of use.

What models made can be made again: `requeue --step prepare` embeds a study with the model of today.
"""

import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from config.errors import BackupUnderWayError, EchoWorkerError
from config.logs import Event, emit, told_of
from config.settings import Settings
from db.away import say_away
from db.monitoring.clocks import earlier_of_both
from db.results.embeddings import forget_made_before, former_embedders, made_before
from worker.context import WorkerContext
from worker.echoclip.digests import embedder_of
from worker.packs.active import PackUse, chosen_folder, named_folder, scoring_folder
from worker.packs.folder import ModelPack, look_into_pack
from worker.packs.installed import resolve_base
from worker.packs.manifest import OPEN_CLIP
from worker.retention import Retention, remove_file
from worker.retrieval.packs import index_folder


def sweep_former_embeddings(context: WorkerContext, *, now: datetime) -> None:
    """Remove the embeddings of models that neither score nor search nor are a shadow; tried again in an hour where it
    fails. They go `keep.embeddings_of_former_models_days` after the last that they made.

    A model that scores in another process, by other settings, has made some since then.
    """

    def sweep() -> None:
        context.require_spool()
        in_use = embedders_in_use(context.settings)
        if in_use is not None:
            before = now - timedelta(days=context.settings.keep.embeddings_of_former_models_days)
            _sweep(context, in_use, before)

    _tried_again_in_an_hour(sweep)


def sweep_outlived(context: WorkerContext, *, now: datetime) -> None:
    """Remove what studies keep longer than `[keep]` says, within its window; what was begun is ended at any time.

    It leaves off well before its time limit, and goes on an hour later.
    """
    retention = Retention(context.settings, context.database, context.spool)
    leaves_off = time.monotonic() + context.settings.time_limits.maintenance_s / 2
    is_time = context.settings.keep.open_hours.contains(now.astimezone().time())

    def sweep() -> None:
        retention.finish()
        if is_time:
            with context.database.read() as session:
                earlier = earlier_of_both(session, now)
            retention.remove(now=earlier, go_on=lambda: time.monotonic() < leaves_off)

    _tried_again_in_an_hour(sweep)


def _tried_again_in_an_hour(sweep: Callable[[], None]) -> None:
    try:
        sweep()
    except SQLAlchemyError as error:
        say_away(error)
    except BackupUnderWayError:
        pass
    except (EchoWorkerError, OSError) as error:
        reason = told_of(error)
        emit(Event.DUTY_FAILS, step="sweep", reason=reason)


def embedders_in_use(settings: Settings) -> set[str] | None:
    """Of the packs that score, search or are a shadow; None where the kind of one says nothing of it without being
    loaded.

    Raises
    ------
    ModelPackError
        One of them is not there, or damaged.
    """
    folders = [scoring_folder(settings)]
    if (retrieval := chosen_folder(settings, PackUse.RETRIEVAL)) is not None:
        folders.append(retrieval)
    if settings.rescore.shadow_pack:
        folders.append(named_folder(settings, settings.rescore.shadow_pack))
    found = {_embedder(look_into_pack(folder), settings) for folder in folders}
    return None if None in found else {embedder for embedder in found if embedder is not None}


def _embedder(pack: ModelPack, settings: Settings) -> str | None:
    if pack.manifest.kind == OPEN_CLIP:
        return embedder_of(pack)
    return None if pack.manifest.base is None else _embedder(resolve_base(pack, settings.packs_dir), settings)


def _sweep(context: WorkerContext, in_use: set[str], before: datetime) -> None:
    with context.database.read() as session:
        former = former_embedders(session, in_use=in_use, before=before)
    for embedder in former:
        with context.database.read() as session:
            paths = made_before(session, embedder=embedder, before=before)
        # The files first: after a crash between the two, the rows still say what is to be removed.
        for path in paths:
            remove_file(context.spool, path, below="embeddings")
        with context.database.write() as session:
            forget_made_before(session, embedder=embedder, before=before)
        shutil.rmtree(index_folder(context.settings, embedder), ignore_errors=True)
        emit(Event.EMBEDDINGS_REMOVED, model=embedder[:16], count=len(paths))
