from pathlib import Path

import numpy as np
import pytest

from config.errors import ModelPackError, SearchError
from config.labels import ModelLabel
from config.settings import Settings, load_settings
from worker.echoclip.towers import Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.active import PackUse, activate
from worker.packs.installed import find_pack
from worker.retrieval.loading import OpenClipTextReader, load_retrieval_model
from worker.retrieval.packs import retrieval_pack


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


@pytest.fixture
def reader(towers: Towers, settings: Settings) -> OpenClipTextReader:
    make_untrained_pack(settings.packs_dir / "untrained-demo")
    pack = retrieval_pack(settings)
    return OpenClipTextReader(towers, pack.identity, pack.embedder)


def test_without_a_pack_for_retrieval_the_one_that_scores_answers(
    settings: Settings, untrained_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(untrained_folder))
    pack = retrieval_pack(load_settings(data_dir=settings.data_dir))
    assert pack.folder == untrained_folder
    assert not pack.is_for_retrieval
    assert pack.identity.label is ModelLabel.UNTRAINED


def test_before_anything_was_scored_there_is_nothing_to_search(settings: Settings) -> None:
    with pytest.raises(SearchError, match="no study has been scored yet"):
        retrieval_pack(settings)


def test_a_pack_that_was_activated_for_retrieval_answers_before_the_one_that_scores(
    settings: Settings, untrained_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(untrained_folder))
    other = make_untrained_pack(settings.packs_dir / "other", seed=1)
    activate(settings.packs_dir, find_pack(settings.packs_dir, "other"), PackUse.RETRIEVAL)
    pack = retrieval_pack(load_settings(data_dir=settings.data_dir))
    assert (pack.folder, pack.is_for_retrieval) == (other, True)


def test_a_pack_that_is_not_there_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "/nowhere")
    with pytest.raises(ModelPackError, match="/nowhere"):
        retrieval_pack(load_settings(data_dir=settings.data_dir))


def test_other_weights_are_another_embedder_and_the_name_of_a_pack_is_not(settings: Settings, tmp_path: Path) -> None:
    folder = make_untrained_pack(settings.packs_dir / "untrained-demo")
    embedder = retrieval_pack(settings).embedder
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("EchoWorker untrained", "Another name"))
    assert retrieval_pack(settings).embedder == embedder
    assert retrieval_pack(settings).identity.name == "Another name"
    other = load_settings(data_dir=tmp_path / "other")
    make_untrained_pack(other.packs_dir / "untrained-demo", seed=1)
    assert retrieval_pack(other).embedder != embedder


def test_the_model_reads_texts_into_the_space_of_its_clips(settings: Settings, towers: Towers) -> None:
    make_untrained_pack(settings.packs_dir / "untrained-demo")
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
