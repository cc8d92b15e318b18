from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import worker.packs.kinds
from config.catalogue import load_catalogue
from config.errors import ModelPackError
from config.labels import ModelLabel
from config.logs import Event, configure_logs
from config.settings import load_settings
from tests.support.packs import pack_of_kind
from worker.echoclip.untrained import SMALL, make_untrained_pack
from worker.loading import load_scorer
from worker.models import StudyModel, Surroundings
from worker.packs.folder import ModelPack

OF_ANOTHER_SIZE = {**SMALL, "vision_cfg": {**SMALL["vision_cfg"], "image_size": 256}}


def test_a_pack_for_pictures_of_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fed with frames of 224 x 224 it would answer all the same, and wrongly."""
    pack = make_untrained_pack(tmp_path / "pack", architecture=OF_ANOTHER_SIZE)
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(pack))
    with pytest.raises(ModelPackError, match=r"256 x 256.*224 x 224"):
        load_scorer(load_settings(data_dir=tmp_path), load_catalogue())


def _without_memory(_: ModelPack, __: Surroundings) -> StudyModel:
    raise MemoryError("no room for two")


@pytest.mark.parametrize("fault", ["not a pack", "of another size", "its loader fails"])
def test_a_pack_for_retrieval_that_cannot_be_loaded_stops_no_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    folder = tmp_path / "retrieval"
    if fault == "not a pack":
        folder.mkdir()
    elif fault == "of another size":
        make_untrained_pack(folder, architecture=OF_ANOTHER_SIZE)
    else:
        pack_of_kind(folder, "of-a-package")
        ours = entry_points(group="echoworker.pack_kinds")
        theirs = EntryPoint("of-a-package", f"{__name__}:{_without_memory.__name__}", "echoworker.pack_kinds")
        monkeypatch.setattr(worker.packs.kinds, "entry_points", lambda **_: (*ours, theirs))
    settings = load_settings(data_dir=tmp_path / "data", model={"retrieval_pack": str(folder)})
    configure_logs(process="worker")
    scorer = load_scorer(settings, load_catalogue())
    assert (scorer.model.identity.label, scorer.retrieval) == (ModelLabel.UNTRAINED, None)
    assert str(Event.SEARCH_WITHOUT_MODEL) in capsys.readouterr().err
