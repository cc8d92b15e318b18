"""Another package brings another kind of model, as docs/model-card.md shows, and nothing of ours changes."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from config.catalogue import load_catalogue
from config.errors import ModelPackError
from config.labels import ModelLabel
from config.settings import load_settings
from db.results.runs import Verdict
from tests.support.packs import installed, pack_of_kind
from worker.models import EmbeddedClip, StudyModel, Surroundings
from worker.packs.folder import ModelPack, load_pack
from worker.packs.kinds import GROUP, installed_kinds, load_model, pack_kind
from worker.packs.manifest import write_manifest

MODEL_CARD = Path(__file__).parents[3] / "docs" / "model-card.md"


def example(language: str) -> str:
    """The code of the model card's example."""
    found = re.findall(rf"^```{language}\n(.*?)^```", MODEL_CARD.read_text(), re.MULTILINE | re.DOTALL)
    return str(found[-1])


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages beside ours, with the example installed as pip would."""
    packages = tmp_path / "site-packages"
    metadata = packages / "mean_colour-1.dist-info"
    metadata.mkdir(parents=True)
    (packages / "mean_colour.py").write_text(example("python"))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-colour\nVersion: 1\n")
    kinds = re.findall(r'^([\w-]+) = "([\w.:]+)"$', example("toml").partition(GROUP)[2], re.MULTILINE)
    lines = [f"{name} = {value}" for name, value in kinds]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(packages)
    monkeypatch.delitem(sys.modules, "mean_colour", raising=False)
    return packages


def pack_of_the_example(folder: Path) -> Path:
    folder.mkdir()
    save_file({"projection": torch.eye(3)}, folder / "projection.safetensors")
    fields = {"name": "Colour", "version": "1", "family": "colour", "licence": "ours"}
    write_manifest(folder, kind="mean-colour", label=ModelLabel.DEMO, **fields)
    return folder


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    return Surroundings(settings=load_settings(), catalogue=load_catalogue(), cache=tmp_path)


def test_the_example_of_the_model_card_is_a_model(
    environment: Path, tmp_path: Path, surroundings: Surroundings
) -> None:
    found = installed(pack_of_the_example(tmp_path / "pack"), surroundings.settings.packs_dir)
    model = load_model(load_pack(found.folder), surroundings)
    assert not [name for name in vars(StudyModel) if not name.startswith("_") and not hasattr(model, name)]
    red = np.zeros((4, model.image_size, model.image_size, 3), np.uint8)
    red[..., 0] = 200
    (embedded,) = model.embed([red])
    torch.testing.assert_close(embedded, torch.tensor([[1.0, 0.0, 0.0]] * 4))
    answers = model.answer([EmbeddedClip(sop_instance_uid="1.2.3", embeddings=embedded)])
    assert [answer.task_id for answer in answers] == [task.id for task in surroundings.catalogue.tasks]
    assert {answer.verdict for answer in answers} == {Verdict.ABSTAINED}
    assert found.pack is not None
    assert model.identity == found.pack.identity
    assert model.view_classifier() is None


def test_our_own_kinds_are_installed_like_any_other() -> None:
    assert {"open-clip", "linear-probe"} <= installed_kinds().keys()


def test_a_kind_that_nothing_brings_is_named_with_those_that_are_there(environment: Path, tmp_path: Path) -> None:
    pack = load_pack(pack_of_kind(tmp_path / "pack", "video-transformer"))
    with pytest.raises(ModelPackError, match=r"nothing here can load the kind 'video-transformer' \(.*mean-colour"):
        pack_kind(pack)


def test_a_kind_whose_code_cannot_be_imported_is_named_with_its_package(environment: Path, tmp_path: Path) -> None:
    (environment / "mean_colour.py").write_text("import a_module_that_nobody_has\n")
    with pytest.raises(ModelPackError, match=r"'mean-colour': mean_colour:load, of mean-colour, cannot be imported"):
        pack_kind(load_pack(pack_of_the_example(tmp_path / "pack")))


def test_a_kind_cannot_claim_more_than_its_pack(environment: Path, tmp_path: Path, surroundings: Surroundings) -> None:
    code = example("python").replace("pack.identity", "replace(pack.identity, label='CLINICAL')")
    claims = "from dataclasses import replace\nfrom config.labels import ModelLabel\n" + code
    (environment / "mean_colour.py").write_text(claims.replace("'CLINICAL'", "ModelLabel.CLINICAL"))
    pack: ModelPack = load_pack(pack_of_the_example(tmp_path / "pack"))
    with pytest.raises(ModelPackError, match="labels it CLINICAL, its manifest DEMO"):
        load_model(pack, surroundings)
