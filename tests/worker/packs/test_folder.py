import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import ModelPackError
from config.labels import ModelLabel
from tests.support.packs import PROMPTS as INVENTED
from tests.support.packs import pack_of_kind
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.folder import ModelPack, load_pack
from worker.packs.manifest import (
    CALIBRATION,
    CONFIGURATION,
    MANIFEST,
    PROMPTS,
    VOCABULARY,
    WEIGHTS,
    WORDPIECE,
    write_manifest,
)


@pytest.fixture
def folder(untrained_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(untrained_folder, tmp_path / "pack"))


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def relabel(folder: Path) -> None:
    """Write a manifest that fits the files as they are now."""
    write_manifest(folder, name="Changed", version="1", family="untrained", label=ModelLabel.UNTRAINED, licence="none")


def test_a_pack_says_what_it_is(untrained_pack: ModelPack) -> None:
    identity = untrained_pack.identity
    assert identity.label is ModelLabel.UNTRAINED
    assert identity.family == "untrained"
    assert len(identity.digest) == 64
    assert untrained_pack.image_size == 224


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_model(
    untrained_pack: ModelPack, tmp_path: Path
) -> None:
    again = load_pack(make_untrained_pack(tmp_path / "again"))
    other = load_pack(make_untrained_pack(tmp_path / "other", seed=7))
    assert again.identity.digest == untrained_pack.identity.digest
    assert other.identity.digest != untrained_pack.identity.digest


def test_a_pack_that_another_worker_made_meanwhile_is_left_alone(folder: Path) -> None:
    before = (folder / MANIFEST).read_bytes()
    make_untrained_pack(folder, seed=7)
    assert (folder / MANIFEST).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["pack"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (MANIFEST, f"has no {MANIFEST}; make it a pack"),
        (CONFIGURATION, f"{CONFIGURATION} cannot be read"),
        (WEIGHTS, f"{WEIGHTS} cannot be read"),
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str, said: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelPackError, match=said):
        load_pack(folder)


@pytest.mark.parametrize("name", [CONFIGURATION, WEIGHTS])
def test_one_changed_byte_is_noticed(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelPackError, match=f"{name} is not the file that its manifest names"):
        load_pack(folder)


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda m: m.update(label="CERTIFIED"), "label"),
        (lambda m: m.update(format=2), "format"),
        (lambda m: m.pop("name"), "name"),
        (lambda m: m["files"].pop(WEIGHTS), f"files lacks the SHA-256 of {WEIGHTS}"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.update(kind="Open CLIP"), "kind"),
        (lambda m: m["files"].update({"../weights": "0" * 64}), "files"),
        (lambda m: m["files"].update({"accepted.json": "0" * 64}), "files cannot name accepted.json"),
        (lambda m: m["files"].update({"template_vocab.txt": "0" * 64}), "belong together"),
        (lambda m: m["licence"].update(file="LICENSE"), "names LICENSE, which files lacks"),
        (lambda m: m.update(base={"name": "other", "digest": "1"}), "base.digest"),
    ],
    ids=[
        *("label", "format", "nameless", "unverified-weights", "unknown-field", "kind", "folder", "acceptance"),
        *("half-a-vocabulary", "licence", "base"),
    ],
)
def test_a_wrong_manifest_is_refused_by_the_field_at_fault(
    folder: Path, edit: Callable[[dict[str, Any]], object], fault: str
) -> None:
    change(folder / MANIFEST, edit)
    with pytest.raises(ModelPackError, match=fault):
        load_pack(folder)


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda c: c["model_cfg"]["text_cfg"].update(hf_tokenizer_name="a/b"), "names a model of a hub"),
        (lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name="a/b"), "names a model of a hub"),
        (lambda c: c["model_cfg"].pop("vision_cfg"), "needs vision_cfg and text_cfg"),
        (lambda c: c["model_cfg"]["vision_cfg"].pop("image_size"), "image_size must be an integer"),
        (lambda c: c["preprocess_cfg"].pop("mean"), "preprocess_cfg.mean"),
    ],
    ids=["hub-tokenizer", "hub-tower", "towerless", "sizeless", "no-mean"],
)
def test_a_configuration_that_cannot_work_alone_is_refused(
    folder: Path, edit: Callable[[dict[str, Any]], object], fault: str
) -> None:
    change(folder / CONFIGURATION, edit)
    relabel(folder)
    with pytest.raises(ModelPackError, match=fault):
        load_pack(folder)


def test_a_licence_without_a_text_may_be_a_name_alone(folder: Path) -> None:
    change(folder / MANIFEST, lambda m: [m.update(licence="none at all"), m.pop("kind"), m.pop("base")])
    manifest = load_pack(folder).manifest
    assert (manifest.licence.name, manifest.licence.file, manifest.kind) == ("none at all", None, "open-clip")


def test_optional_files_are_those_that_the_manifest_names(folder: Path) -> None:
    (folder / PROMPTS).write_text(json.dumps(INVENTED))
    bare = load_pack(folder)
    assert (bare.published_prompts, bare.vocabulary_folder, bare.calibration_file) == (None, None, None)
    for name in (VOCABULARY, WORDPIECE, CALIBRATION):
        (folder / name).write_text("{}")
    relabel(folder)
    full = load_pack(folder)
    assert full.published_prompts is not None
    assert full.published_prompts.keys() == INVENTED.keys()
    assert (full.vocabulary_folder, full.calibration_file) == (folder, folder / CALIBRATION)


def test_another_kind_of_pack_has_the_files_that_it_needs_and_no_more(tmp_path: Path) -> None:
    pack = load_pack(pack_of_kind(tmp_path / "other", "invented-kind"))
    assert pack.manifest.files.keys() == {"numbers.json"}
    (tmp_path / "other" / "numbers.json").write_text("[]")
    with pytest.raises(ModelPackError, match=r"numbers\.json is not the file that its manifest names"):
        load_pack(tmp_path / "other")
