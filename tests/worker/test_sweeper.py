"""What models made that are not in use any more is removed, file and row, and nothing else."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from sqlalchemy import select, update

import worker.sweeper
from config.broker import create_celery_app
from config.catalogue import load_catalogue
from config.errors import DamagedFileError
from config.logs import configure_logs
from config.settings import load_settings
from db.tables.pictures import StudyEmbeddings
from tests.support.heads import head_pack
from tests.support.labelled import NOW, Labelled
from worker.context import WorkerContext
from worker.echoclip.digests import embedder_of
from worker.echoclip.untrained import make_untrained_pack
from worker.embeddings import read_embeddings
from worker.packs.folder import load_pack
from worker.sweeper import sweep_former_embeddings
from worker.tasks import register_tasks

FORMER = "f" * 64
AFTER_30_DAYS = NOW + timedelta(days=30, seconds=1)


@pytest.fixture
def labelled(tmp_path: Path, untrained_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Labelled:
    """An installation whose model is the UNTRAINED one."""
    made = Labelled(tmp_path / "data")
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(untrained_folder))
    made.model.embedder = embedder_of(load_pack(untrained_folder))
    return made


def context_of(labelled: Labelled) -> WorkerContext:
    settings = load_settings(data_dir=labelled.data_dir)
    return WorkerContext(settings, create_celery_app(settings))


def embedded(labelled: Labelled, embedder: str) -> Path:
    """The file of a study that was embedded by this model at `NOW`."""
    of_model, labelled.model.embedder = labelled.model.embedder, embedder
    uid = labelled.embedded([torch.nn.functional.normalize(torch.ones(2, 16), dim=1)])
    labelled.model.embedder = of_model
    return labelled.spool.root / "embeddings" / embedder[:16] / uid / "1.safetensors"


def registered(labelled: Labelled, embedder: str) -> list[Path]:
    with labelled.database.read() as session:
        rows = select(StudyEmbeddings.path).where(StudyEmbeddings.embedder == embedder).order_by(StudyEmbeddings.id)
        return [labelled.spool.absolute(path) for path in session.scalars(rows)]


def test_what_a_former_model_made_is_removed_after_the_days_and_what_todays_made_is_kept(labelled: Labelled) -> None:
    mine, former = embedded(labelled, labelled.model.embedder), [embedded(labelled, FORMER) for _ in range(2)]
    index = labelled.data_dir / "cache/retrieval" / FORMER[:16] / "fast-1"
    index.mkdir(parents=True)

    sweep_former_embeddings(context_of(labelled), now=NOW + timedelta(days=30))
    assert registered(labelled, FORMER) == former
    assert all(file.is_file() for file in former)

    sweep_former_embeddings(context_of(labelled), now=AFTER_30_DAYS)
    assert registered(labelled, FORMER) == []
    assert not (labelled.spool.root / "embeddings" / FORMER[:16]).exists()
    assert not index.parent.exists()
    assert registered(labelled, labelled.model.embedder) == [mine]
    assert read_embeddings(mine)


def test_the_days_are_a_setting(labelled: Labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_KEEP__EMBEDDINGS_OF_FORMER_MODELS_DAYS", "2")
    embedded(labelled, FORMER)
    sweep_former_embeddings(context_of(labelled), now=NOW + timedelta(days=2, seconds=1))
    assert registered(labelled, FORMER) == []


def test_the_model_for_retrieval_is_in_use(labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = embedded(labelled, labelled.model.embedder)
    scoring = context_of(labelled).settings.model.pack
    monkeypatch.setenv("ECHOWORKER_MODEL__RETRIEVAL_PACK", scoring)
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(make_untrained_pack(tmp_path / "other", seed=1)))
    embedded(labelled, FORMER)
    sweep_former_embeddings(context_of(labelled), now=AFTER_30_DAYS)
    assert registered(labelled, labelled.model.embedder) == [mine]
    assert registered(labelled, FORMER) == []


def test_a_model_that_still_embeds_elsewhere_is_not_former(labelled: Labelled) -> None:
    """As another host's, whose settings name another pack."""
    first = embedded(labelled, FORMER)
    later = embedded(labelled, FORMER)
    with labelled.database.write() as session:
        made_later = update(StudyEmbeddings).where(StudyEmbeddings.path == labelled.spool.relative(later))
        session.execute(made_later.values(created_at=NOW + timedelta(days=29)))
    sweep_former_embeddings(context_of(labelled), now=AFTER_30_DAYS)
    assert registered(labelled, FORMER) == [first, later]
    assert first.is_file()


def test_the_base_of_a_trained_head_is_in_use(
    labelled: Labelled, untrained_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = embedded(labelled, labelled.model.embedder)
    packs = labelled.data_dir / "packs"
    (packs / "base").symlink_to(untrained_folder)
    task = load_catalogue().task("pacemaker")
    assert task is not None
    head_pack(packs / "head", load_pack(untrained_folder), task, torch.ones(1, 64))
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "head")
    embedded(labelled, FORMER)
    sweep_former_embeddings(context_of(labelled), now=AFTER_30_DAYS)
    assert registered(labelled, labelled.model.embedder) == [mine]
    assert registered(labelled, FORMER) == []


def test_where_a_kind_does_not_say_what_embeds_nothing_is_removed(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(labelled.base.folder))
    file = embedded(labelled, FORMER)
    sweep_former_embeddings(context_of(labelled), now=AFTER_30_DAYS)
    assert registered(labelled, FORMER) == [file]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda labelled: (labelled.spool.root / "studies").rmdir(), "is it mounted?"),
        (lambda labelled: (labelled.data_dir / "packs/active.json").write_text("{"), "active.json"),
    ],
    ids=["spool away", "no pack can be told"],
)
def test_what_cannot_be_known_is_left_alone_and_said(
    labelled: Labelled,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: Callable[[Labelled], None],
    said: str,
) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "")
    file, context = embedded(labelled, FORMER), context_of(labelled)
    broken(labelled)
    configure_logs(process="worker")
    sweep_former_embeddings(context, now=AFTER_30_DAYS)
    (logged,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (logged["step"], logged["level"]) == ("sweep", "warning")
    assert said in logged["reason"]
    assert registered(labelled, FORMER) == [file]
    assert file.is_file()


def test_a_sweep_that_ended_half_way_is_finished_by_the_next(
    labelled: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = embedded(labelled, FORMER), context_of(labelled)
    with monkeypatch.context() as patch:
        patch.setattr(worker.sweeper, "forget_made_before", _killed)
        with pytest.raises(KeyboardInterrupt):
            sweep_former_embeddings(context, now=AFTER_30_DAYS)
    assert registered(labelled, FORMER) == [file]
    with pytest.raises(DamagedFileError):
        read_embeddings(file)
    sweep_former_embeddings(context, now=AFTER_30_DAYS)
    assert registered(labelled, FORMER) == []


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_beat_wakes_what_a_worker_does(labelled: Labelled) -> None:
    context = context_of(labelled)
    register_tasks(context.broker, context)
    woken = {entry["task"] for entry in context.broker.conf.beat_schedule.values()}
    assert "echoworker.sweep" in woken
    assert woken <= context.broker.tasks.keys()
    of_maintenance = woken - {"echoworker.reconcile"}  # which needs the network, and may take long
    assert {context.broker.conf.task_routes[task]["queue"] for task in of_maintenance} == {"maintenance"}
