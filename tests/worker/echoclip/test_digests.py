"""What tells the embeddings of one model from those of another, and what does not."""

import shutil
from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.settings import load_settings
from worker.echoclip.digests import embedder_of
from worker.echoclip.model import load
from worker.echoclip.untrained import make_untrained_pack
from worker.models import Surroundings
from worker.packs.folder import ModelPack, load_pack
from worker.packs.manifest import MANIFEST, PROMPTS, write_manifest


def test_another_precision_embeds_the_same(
    untrained_pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedders = set()
    for precision in ("float32", "bfloat16"):
        monkeypatch.setenv("ECHOWORKER_MODEL__PRECISION", precision)
        settings = load_settings(data_dir=tmp_path)
        surroundings = Surroundings(settings=settings, catalogue=load_catalogue(), cache=tmp_path / "cache")
        embedders.add(load(untrained_pack, surroundings).embedder)
    assert embedders == {embedder_of(untrained_pack)}


def test_prompts_beside_the_same_weights_embed_the_same_and_other_weights_do_not(
    untrained_pack: ModelPack, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(untrained_pack.folder, tmp_path / "pack"))
    (folder / PROMPTS).write_text("{}")
    (folder / MANIFEST).unlink()
    label = untrained_pack.identity.label
    write_manifest(folder, name="Worded", version="1", family="untrained", label=label, licence="none")
    worded = load_pack(folder)
    assert worded.identity.digest != untrained_pack.identity.digest
    assert embedder_of(worded) == embedder_of(untrained_pack)
    others = load_pack(make_untrained_pack(tmp_path / "others", seed=7))
    assert embedder_of(others) != embedder_of(untrained_pack)
