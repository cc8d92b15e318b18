from pathlib import Path

import numpy as np
import pytest

from config.errors import ModelPackError
from config.labels import ModelLabel
from config.settings import Settings, load_settings
from worker.echoclip.towers import Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.active import PackUse, activate
from worker.packs.installed import BUNDLED_PACK, find_pack
from worker.retrieval.loading import OpenClipTextReader, load_retrieval_model
from worker.retrieval.packs import retrieval_pack


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, model={"precision": "float32"})


@pytest.fixture
def reader(towers: Towers, settings: Settings) -> OpenClipTextReader:
    pack = retrieval_pack(settings)
    return OpenClipTextReader(towers, pack.identity, pack.embedder)


def test_without_a_pack_for_retrieval_the_one_that_scores_answers(settings: Settings, untrained_folder: Path) -> None:
    pack = retrieval_pack(settings)
    assert pack.folder == untrained_folder
    assert not pack.is_for_retrieval
    assert pack.identity.label is ModelLabel.UNTRAINED


def test_where_no_pack_was_chosen_the_bundled_one_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    pack = retrieval_pack(load_settings(data_dir=settings.data_dir))
    assert (pack.folder, pack.identity.label) == (BUNDLED_PACK, ModelLabel.DEMO)


def test_a_pack_that_was_activated_for_retrieval_answers_before_the_one_that_scores(settings: Settings) -> None:
    other = make_untrained_pack(settings.packs_dir / "other", seed=1)
    activate(settings.packs_dir, find_pack(settings.packs_dir, "other"), PackUse.RETRIEVAL)
    pack = retrieval_pack(settings)
    assert (pack.folder, pack.is_for_retrieval) == (other, True)


def test_a_pack_that_is_not_there_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "/nowhere")
    with pytest.raises(ModelPackError, match="/nowhere"):
        retrieval_pack(load_settings(data_dir=settings.data_dir))


def test_other_weights_are_another_embedder_and_the_name_of_a_pack_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def using(folder: Path) -> Settings:
        monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(folder))
        return load_settings(data_dir=tmp_path / "data")

    folder = make_untrained_pack(tmp_path / "one")
    settings = using(folder)
    embedder = retrieval_pack(settings).embedder
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("EchoWorker untrained", "Another name"))
    assert retrieval_pack(settings).embedder == embedder
    assert retrieval_pack(settings).identity.name == "Another name"
    assert retrieval_pack(using(make_untrained_pack(tmp_path / "other", seed=1))).embedder != embedder


def test_the_model_reads_texts_into_the_space_of_its_clips(settings: Settings, towers: Towers) -> None:
    model = load_retrieval_model(settings)
    texts = ["Severe mitral regurgitation.", "No effusion."]
    embeddings = model.embed_texts(texts)
    assert (embeddings.shape, embeddings.dtype) == ((2, 64), np.float32)
    assert embeddings == pytest.approx(towers.embed_prompts(texts).numpy(), abs=1e-5)
    assert model.embedder == retrieval_pack(settings).embedder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Normal left ventricle.", None),
        (" \n", "knows no word of this text"),
        ("left " * 75, "fills the model's 77 tokens"),
        ("left " * 200, "fills the model's 77 tokens"),
        ("left " * 74, None),
    ],
    ids=["short", "nothing", "full", "too-long", "just-fits"],
)
def test_a_text_that_the_model_does_not_read_whole_is_doubted(
    reader: OpenClipTextReader, text: str, said: str | None
) -> None:
    doubt = reader.doubt(text)
    assert doubt is None if said is None else said in str(doubt)
