"""A running worker takes up the pack that somebody activates, with its next study."""

import shutil
from pathlib import Path

import pytest

from config.broker import create_celery_app
from config.errors import ModelPackError
from config.logs import Event, configure_logs
from config.settings import load_settings
from tests.support.packs import installed
from worker.context import WorkerContext
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.active import PackUse, activate


def test_an_activated_pack_is_taken_up_and_kept(
    untrained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    settings = load_settings()
    context = WorkerContext(settings, create_celery_app(settings))
    made = context.scorer
    assert made.model.identity.name == "phantom-demo"
    assert context.scorer is made

    other = installed(make_untrained_pack(tmp_path / "other", seed=7), settings.packs_dir)
    assert context.scorer is made, "installed, but not activated"
    activate(settings.packs_dir, other, PackUse.SCORING)
    taken_up = context.scorer
    assert other.pack is not None
    assert taken_up.model.identity == other.pack.identity
    assert context.scorer is taken_up

    third = installed(untrained_folder, settings.packs_dir)
    activate(settings.packs_dir, third, PackUse.SCORING)
    shutil.move(third.folder, tmp_path / "away")
    with pytest.raises(ModelPackError, match="not there any more"):
        _ = context.scorer


def test_a_pack_for_retrieval_that_is_gone_stops_no_scoring_and_is_taken_up_once_it_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    pack = installed(make_untrained_pack(tmp_path / "retrieval", seed=7), settings.packs_dir)
    activate(settings.packs_dir, pack, PackUse.RETRIEVAL)
    shutil.move(pack.folder, tmp_path / "away")
    configure_logs(process="worker")
    context = WorkerContext(settings, create_celery_app(settings))
    without = context.scorer
    assert without.retrieval is None
    assert str(Event.SEARCH_WITHOUT_MODEL) in capsys.readouterr().err
    assert context.scorer is without
    shutil.move(tmp_path / "away", pack.folder)
    assert context.scorer.retrieval is not None
