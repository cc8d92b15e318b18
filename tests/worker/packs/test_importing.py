"""What is imported is whole, checked and accepted, the same bytes each time; or nothing is installed."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from config.calibration import Calibration, TaskCalibration
from config.errors import ModelPackError
from config.labels import ModelLabel
from tests.support.clips import LARGE
from tests.support.packs import LICENCE_TEXT, PROMPTS, installed, plain_download
from tests.worker.echoclip.template.invented import END, write_vocabulary
from tests.worker.echoclip.template.invented import RULES as INVENTED_RULES
from worker.echoclip.template.rules import TemplateRules
from worker.echoclip.template.vocabulary import TemplateVocabulary
from worker.echoclip.towers import Towers
from worker.packs.folder import load_pack
from worker.packs.importing import import_pack
from worker.packs.installed import BUNDLED_PACK, installed_packs
from worker.packs.licences import accept, is_accepted
from worker.packs.manifest import (
    ACCEPTED,
    CALIBRATION,
    CONFIGURATION,
    LICENCE,
    MANIFEST,
    VOCABULARY,
    WEIGHTS,
    WORDPIECE,
    Licence,
    read_manifest,
    write_manifest,
)
from worker.packs.manifest import PROMPTS as PROMPTS_FILE
from worker.packs.source import Choices, look_at_source
from worker.pixels.clip import read_clip


def calibration() -> bytes:
    """A calibration file that is valid, whatever it was made with."""
    digest = "0" * 64
    found = TaskCalibration(
        task_id="pacemaker",
        prompts_digest=digest,
        rule="f1",
        threshold=0.3,
        origin="a test",
        cases=1,
        patients=1,
        cases_of={},
        metrics={},
    )
    return Calibration(
        format=1,
        model_name="EchoWorker untrained",
        model_digest=digest,
        model_label=ModelLabel.RESEARCH,
        embedder=digest,
        preprocessing_profile="fast-1",
        catalogue_digest=digest,
        software_version="1",
        made_at=datetime(2026, 11, 25, tzinfo=UTC),
        truth_sha256=digest,
        tasks=(found,),
        digest=digest,
    ).content()


@pytest.fixture
def packs_dir(tmp_path: Path) -> Path:
    return tmp_path / "packs"


@pytest.fixture
def download(untrained_folder: Path, tmp_path: Path) -> Path:
    return plain_download(untrained_folder, tmp_path / "Some Model")


def what_lies_in(packs_dir: Path) -> list[str]:
    return sorted(path.name for path in packs_dir.iterdir()) if packs_dir.exists() else []


def test_a_download_becomes_a_pack_that_says_what_it_is(download: Path, packs_dir: Path) -> None:
    found = installed(download, packs_dir)
    assert found.pack is not None
    identity, manifest = found.pack.identity, found.pack.manifest
    assert found.name == f"some-model-{identity.digest[:12]}"
    assert (identity.name, identity.family, identity.label) == ("Some Model", "some-model", ModelLabel.RESEARCH)
    assert identity.version == f"weights {manifest.files[WEIGHTS][:12]}"
    assert manifest.licence == Licence(name="The Invented Licence", file=LICENCE)
    assert (found.folder / LICENCE).read_text() == LICENCE_TEXT
    assert found.accepted


def test_what_the_operator_says_is_stronger(download: Path, packs_dir: Path) -> None:
    chosen = {"name": "Ours", "family": "echo-clip", "label": ModelLabel.CLINICAL, "version": "3"}
    found = installed(download, packs_dir, **chosen)
    assert found.pack is not None
    identity = found.pack.identity
    assert (identity.name, identity.family, identity.label, identity.version) == tuple(chosen.values())


def test_the_digest_does_not_depend_on_when_and_from_where(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.packs.licences.version", lambda _: "9.9")
    first = installed(download, tmp_path / "one")
    elsewhere = Path(shutil.copytree(download, tmp_path / "elsewhere" / "Some Model"))
    (elsewhere / WEIGHTS).touch()
    monkeypatch.undo()
    again = installed(elsewhere, tmp_path / "other")
    assert first.name == again.name
    assert (first.folder / MANIFEST).read_bytes() == (again.folder / MANIFEST).read_bytes()
    assert (first.folder / ACCEPTED).read_bytes() != (again.folder / ACCEPTED).read_bytes()


def test_importing_again_changes_nothing_but_mends_what_is_damaged(download: Path, packs_dir: Path) -> None:
    first = installed(download, packs_dir)
    assert what_lies_in(packs_dir) == [first.name]
    installed(download, packs_dir)
    assert what_lies_in(packs_dir) == [first.name]
    (first.folder / WEIGHTS).write_bytes(b"damaged")
    installed(download, packs_dir)
    assert what_lies_in(packs_dir) == [first.name]
    load_pack(first.folder)


def test_a_bin_gives_the_embeddings_of_the_safetensors(
    untrained_folder: Path, download: Path, packs_dir: Path, towers: Towers
) -> None:
    torch.save({"state_dict": load_file(download / WEIGHTS)}, download / "open_clip_pytorch_model.bin")
    (download / WEIGHTS).unlink()
    found = installed(download, packs_dir)
    converted = Towers(load_pack(found.folder), device="cpu", precision="float32")
    frames = torch.from_numpy(read_clip(LARGE).frames)[:2]
    assert torch.equal(converted.embed_frames(frames), towers.embed_frames(frames))
    assert torch.equal(converted.embed_prompts(["a heart"]), towers.embed_prompts(["a heart"]))


def test_a_ready_pack_stays_the_very_same(untrained_folder: Path, packs_dir: Path) -> None:
    found = installed(untrained_folder, packs_dir)
    assert (found.folder / MANIFEST).read_bytes() == (untrained_folder / MANIFEST).read_bytes()


def test_a_site_can_relabel_a_pack_and_add_what_it_lacks(download: Path, tmp_path: Path, packs_dir: Path) -> None:
    own = installed(download, packs_dir).folder
    files = tmp_path / "files"
    files.mkdir()
    (files / PROMPTS_FILE).write_text(json.dumps(PROMPTS))
    (files / CALIBRATION).write_bytes(calibration())
    found = installed(own, packs_dir, label=ModelLabel.CLINICAL, also=[files])
    assert found.pack is not None
    assert found.pack.identity.label is ModelLabel.CLINICAL
    assert found.pack.published_prompts is not None
    assert found.pack.calibration_file is not None
    before = read_manifest(own)[0]
    assert found.pack.manifest.files[WEIGHTS] == before.files[WEIGHTS]


def test_a_model_that_knows_no_patients_is_not_trusted_further_by_another_label(
    untrained_folder: Path, tmp_path: Path, packs_dir: Path
) -> None:
    for folder, own in ((untrained_folder, "UNTRAINED"), (BUNDLED_PACK, "DEMO")):
        for label in (ModelLabel.RESEARCH, ModelLabel.CLINICAL):
            with pytest.raises(ModelPackError, match=f"^--label {label}: {folder} is a pack labelled {own}"):
                installed(folder, packs_dir, label=label)
    without_manifest = plain_download(BUNDLED_PACK, tmp_path / "download")
    for choices in ({}, {"label": ModelLabel.CLINICAL}):
        with pytest.raises(ModelPackError, match=r"its weights are those of the DEMO model, not (RESEARCH|CLINICAL)"):
            installed(without_manifest, packs_dir, **choices)
    assert what_lies_in(packs_dir) == []
    demo = installed(without_manifest, packs_dir, label=ModelLabel.DEMO)
    assert demo.pack is not None
    assert demo.pack.identity.label is ModelLabel.DEMO


def test_a_damaged_pack_is_not_given_a_manifest_that_fits_the_damage(
    untrained_folder: Path, tmp_path: Path, packs_dir: Path
) -> None:
    damaged = Path(shutil.copytree(untrained_folder, tmp_path / "damaged"))
    tensors = load_file(damaged / WEIGHTS)
    save_file({**tensors, "logit_scale": torch.tensor(0.5)}, damaged / WEIGHTS)
    for choices in ({}, {"version": "2"}):
        with pytest.raises(ModelPackError, match=f"{damaged / WEIGHTS} is not the file that its manifest names"):
            installed(damaged, packs_dir, **choices)
    assert what_lies_in(packs_dir) == []


def break_weights(download: Path) -> None:
    content = (download / WEIGHTS).read_bytes()
    (download / WEIGHTS).write_bytes(content[: len(content) // 2])


def break_normalisation(download: Path) -> None:
    content = json.loads((download / CONFIGURATION).read_text())
    content["preprocess_cfg"]["std"] = [0.2, 0.0, 0.2]
    (download / CONFIGURATION).write_text(json.dumps(content))


def break_architecture(download: Path) -> None:
    content = json.loads((download / CONFIGURATION).read_text())
    content["model_cfg"]["embed_dim"] = 32
    (download / CONFIGURATION).write_text(json.dumps(content))


def break_tokenizer(download: Path) -> None:
    write_vocabulary(download)
    (download / WORDPIECE).write_text("{}")


def break_text_tower(download: Path) -> None:
    content = json.loads((download / CONFIGURATION).read_text())
    content["model_cfg"]["text_cfg"]["vocab_size"] = END
    (download / CONFIGURATION).write_text(json.dumps(content))
    tensors = load_file(download / WEIGHTS)
    save_file({**tensors, "token_embedding.weight": torch.zeros(END, 64)}, download / WEIGHTS)
    write_vocabulary(download)


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (break_weights, "no whole safetensors file"),
        (break_normalisation, "preprocess_cfg.std: must be greater than 0"),
        (break_architecture, r"has the shape .*, the model's has"),
        (break_tokenizer, f"{WORDPIECE}: "),
        (break_text_tower, f"{VOCABULARY}: makes {END + 1} tokens, and the text tower knows {END}"),
        (lambda download: (download / VOCABULARY).write_text("A PHRASE. \n"), "belong together"),
        (lambda download: (download / PROMPTS_FILE).write_text("[]"), PROMPTS_FILE),
        (lambda download: (download / CALIBRATION).write_text("{"), CALIBRATION),
    ],
    ids=[
        "weights",
        "normalisation",
        "architecture",
        "tokenizer",
        "text-tower",
        "half-a-vocabulary",
        "prompts",
        "calibration",
    ],
)
def test_nothing_is_installed_of_what_does_not_fit(
    download: Path, packs_dir: Path, break_it: Callable[[Path], object], fault: str
) -> None:
    break_it(download)
    with pytest.raises(ModelPackError, match=fault) as raised:
        installed(download, packs_dir)
    assert ".unfinished" not in str(raised.value)
    assert what_lies_in(packs_dir) == []


def test_a_vocabulary_comes_along(download: Path, packs_dir: Path) -> None:
    found = installed(write_vocabulary(download), packs_dir)
    assert found.pack is not None
    assert found.pack.vocabulary_folder == found.folder
    assert TemplateVocabulary.read(found.folder).rules == INVENTED_RULES


def test_the_rules_of_a_vocabulary_are_read_out_of_a_copy_of_the_published_code(
    untrained_folder: Path, tmp_path: Path, packs_dir: Path
) -> None:
    code = write_vocabulary(tmp_path / "code", rules=None)
    (code / "utils.py").write_text('add_period = ["ALL IS WELL"]\nraise SystemExit\n')
    (code / "template_tokenizer.py").write_text("replacements = []\n")
    found = installed(untrained_folder, packs_dir, also=[code])
    assert TemplateVocabulary.read(found.folder).rules == TemplateRules(stops=("ALL IS WELL",))
    assert found.pack is not None
    assert "utils.py" not in found.pack.manifest.files
    (code / "utils.py").write_text("nothing = 1\n")
    with pytest.raises(ModelPackError, match="is it the published code of EchoCLIP"):
        installed(untrained_folder, packs_dir, also=[code])


def test_rules_that_nobody_vouches_for_are_not_read(download: Path, packs_dir: Path) -> None:
    found = installed(write_vocabulary(download, rules=None), packs_dir)
    INVENTED_RULES.write(found.folder)
    with pytest.raises(ModelPackError, match="its manifest does not name template_rules"):
        load_pack(found.folder)


@pytest.mark.parametrize(
    ("left", "fault"),
    [([], "has neither manifest.json"), ([CONFIGURATION], "has no weights"), ([WEIGHTS], "has neither manifest.json")],
)
def test_a_folder_that_is_no_model_says_what_it_lacks(
    download: Path, packs_dir: Path, left: list[str], fault: str
) -> None:
    for file in list(download.iterdir()):
        if file.name not in left:
            file.unlink()
    with pytest.raises(ModelPackError, match=fault):
        look_at_source(download, Choices())


def test_without_a_licence_a_model_is_not_taken_unless_its_licence_is_known(download: Path) -> None:
    (download / "LICENSE.md").unlink()
    with pytest.raises(ModelPackError, match="nothing says under which licence"):
        look_at_source(download, Choices())
    known = look_at_source(download, Choices(family="echo-clip-r")).terms
    assert known.name == "Cedars-Sinai Academic Software License"
    assert known.text is None
    assert known.summary is not None
    assert "echonet/echo_CLIP" in known.summary
    (download.parent / "own.txt").write_text("Ours alone\n")
    own = look_at_source(download, Choices(licence=download.parent / "own.txt")).terms
    assert (own.name, own.text) == ("Ours alone", "Ours alone\n")


def test_an_acceptance_holds_for_the_terms_that_were_read(
    untrained_folder: Path, download: Path, packs_dir: Path
) -> None:
    found = installed(download, packs_dir)
    assert found.pack is not None
    (found.folder / ACCEPTED).write_text(accept(look_at_source(untrained_folder, Choices()).terms).model_dump_json())
    assert not is_accepted(found.pack)
    (found.folder / ACCEPTED).unlink()
    assert not is_accepted(found.pack)


def test_a_killed_import_leaves_nothing_that_counts_as_a_pack(download: Path, packs_dir: Path) -> None:
    source = look_at_source(download, Choices())
    import_pack(source, packs_dir, accept(source.terms))
    unfinished = packs_dir / ".some-model.0123.unfinished"
    unfinished.mkdir()
    assert [each.name for each in installed_packs(packs_dir)] == what_lies_in(packs_dir)[1:]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"family": "Echo CLIP"}, "^--family 'Echo CLIP': must be 1 to 32 small letters"),
        ({"name": "x" * 65}, f"^--name '{'x' * 65}': must be 1 to 64 characters"),
        ({"version": ""}, "^--version '': must be 1 to 64 characters"),
        ({"name": "a name that makes a family that is too long"}, "Some Model: its family would be .*: give --family"),
    ],
)
def test_an_option_that_no_pack_may_have_is_named(
    download: Path, packs_dir: Path, chosen: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelPackError, match=said) as raised:
        installed(download, packs_dir, **chosen)
    assert MANIFEST not in str(raised.value)
    assert what_lies_in(packs_dir) == []


def test_a_manifest_with_an_impossible_field_is_not_written(download: Path, packs_dir: Path) -> None:
    with pytest.raises(ModelPackError, match="name"):
        write_manifest(download, name="", version="1", family="x", label=ModelLabel.DEMO, licence="none")
    assert what_lies_in(packs_dir) == []
