from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.errors import ModelPackError
from config.settings import load_settings
from worker.echoclip.untrained import SMALL, make_untrained_pack
from worker.loading import load_scorer


def test_a_pack_for_pictures_of_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fed with frames of 224 x 224 it would answer all the same, and wrongly."""
    pack = make_untrained_pack(
        tmp_path / "pack", architecture={**SMALL, "vision_cfg": {**SMALL["vision_cfg"], "image_size": 256}}
    )
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(pack))
    with pytest.raises(ModelPackError, match=r"256 x 256.*224 x 224"):
        load_scorer(load_settings(data_dir=tmp_path), load_catalogue())
