"""Which pack is in use, what one builds on, and what may be removed."""

import json
import shutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from config.errors import ModelPackError
from config.labels import ModelLabel
from config.settings import Settings, load_settings
from tests.support.packs import installed, pack_of_kind
from worker.packs import kinds
from worker.packs.active import (
    ACTIVE,
    ChosenPack,
    PackUse,
    activate,
    chosen_folder,
    read_active,
    remove,
    scoring_folder,
)
from worker.packs.installed import BUNDLED_PACK, InstalledPack, find_pack, installed_packs, resolve_base
from worker.packs.manifest import ACCEPTED, Base, write_manifest


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    return load_settings()


@pytest.fixture(autouse=True)
def _an_installed_kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What else is installed does not matter to these tests."""
    kind = EntryPoint(name="invented", value="nowhere:load", group=kinds.GROUP)
    monkeypatch.setattr(kinds, "entry_points", lambda group: [kind] if group == kinds.GROUP else [])
    yield


def make(settings: Settings, tmp_path: Path, name: str, **fields: object) -> InstalledPack:
    folder = pack_of_kind(tmp_path / name, "invented", **fields)  # type: ignore[arg-type]
    return installed(folder, settings.packs_dir)


def test_nothing_is_in_use_until_something_is_activated(settings: Settings, tmp_path: Path) -> None:
    assert installed_packs(settings.packs_dir) == []
    one = make(settings, tmp_path, "one")
    assert chosen_folder(settings, PackUse.SCORING) is None
    assert scoring_folder(settings) == BUNDLED_PACK
    activate(settings.packs_dir, one, PackUse.SCORING)
    assert chosen_folder(settings, PackUse.SCORING) == scoring_folder(settings) == one.folder
    assert chosen_folder(settings, PackUse.RETRIEVAL) is None
    activate(settings.packs_dir, make(settings, tmp_path, "two"), PackUse.RETRIEVAL)
    assert read_active(settings.packs_dir).uses(one.name) == [PackUse.SCORING]


def test_the_settings_are_stronger_and_name_a_pack_or_a_folder(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make(settings, tmp_path, "one"), make(settings, tmp_path, "two")
    activate(settings.packs_dir, one, PackUse.SCORING)
    assert two.pack is not None
    for named in ("two", two.name, two.pack.identity.digest[:16], str(two.folder)):
        monkeypatch.setenv("ECHOWORKER_MODEL__PACK", named)
        monkeypatch.setenv("ECHOWORKER_MODEL__RETRIEVAL_PACK", named)
        for use in PackUse:
            assert chosen_folder(load_settings(), use) == two.folder
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", "three")
    with pytest.raises(ModelPackError, match=f"'three': none of this name is installed .there are: {one.name}, "):
        chosen_folder(load_settings(), PackUse.SCORING)


def test_a_name_that_several_have_is_no_choice(settings: Settings, tmp_path: Path) -> None:
    first = make(settings, tmp_path, "one")
    relabelled = installed(first.folder, settings.packs_dir, version="2")
    with pytest.raises(ModelPackError, match="'one': 2 are installed: say which"):
        find_pack(settings.packs_dir, "one")
    assert find_pack(settings.packs_dir, relabelled.name) == relabelled


def test_a_process_notices_another_activation_and_looks_at_one_file_alone(settings: Settings, tmp_path: Path) -> None:
    one, two = make(settings, tmp_path, "one"), make(settings, tmp_path, "two")
    chosen = ChosenPack(settings, PackUse.SCORING)
    assert chosen.folder() is None
    activate(settings.packs_dir, one, PackUse.SCORING)
    assert chosen.folder() == one.folder
    hidden = settings.packs_dir.with_name("hidden")
    shutil.move(one.folder, hidden)
    assert chosen.folder() == one.folder, "nothing was activated, so nothing was looked up"
    activate(settings.packs_dir, two, PackUse.SCORING)
    assert chosen.folder() == two.folder


def test_an_active_pack_that_is_gone_is_an_error_until_it_is_back(settings: Settings, tmp_path: Path) -> None:
    one = make(settings, tmp_path, "one")
    activate(settings.packs_dir, one, PackUse.SCORING)
    shutil.move(one.folder, tmp_path / "away")
    chosen = ChosenPack(settings, PackUse.SCORING)
    for _ in range(2):
        with pytest.raises(ModelPackError, match=f"{one.name}: it is active for scoring, and not there any more"):
            chosen.folder()
    shutil.move(tmp_path / "away", one.folder)
    assert chosen.folder() == one.folder


def test_a_damaged_record_of_what_is_active_is_named(settings: Settings, tmp_path: Path) -> None:
    make(settings, tmp_path, "one")
    (settings.packs_dir / ACTIVE).write_text("{")
    with pytest.raises(ModelPackError, match=ACTIVE):
        chosen_folder(settings, PackUse.SCORING)


def test_what_cannot_be_used_is_not_activated(settings: Settings, tmp_path: Path) -> None:
    one, two = make(settings, tmp_path, "one"), make(settings, tmp_path, "two")
    activate(settings.packs_dir, one, PackUse.SCORING)
    (two.folder / ACCEPTED).unlink()
    with pytest.raises(ModelPackError, match=f"{two.name}: its licence 'none' has not been accepted"):
        activate(settings.packs_dir, two, PackUse.SCORING)
    (two.folder / "numbers.json").write_text("[]")
    with pytest.raises(ModelPackError, match="is not the file that its manifest names"):
        activate(settings.packs_dir, two, PackUse.SCORING)
    assert chosen_folder(settings, PackUse.SCORING) == one.folder


def test_a_pack_of_echoclip_r_retrieves_only_with_its_vocabulary(settings: Settings, tmp_path: Path) -> None:
    folder = pack_of_kind(tmp_path / "r", "invented")
    fields = {"name": "r", "version": "1", "kind": "invented", "licence": "none"}
    write_manifest(folder, family="echo-clip-r", label=ModelLabel.RESEARCH, **fields)
    found = installed(folder, settings.packs_dir)
    activate(settings.packs_dir, found, PackUse.SCORING)
    with pytest.raises(ModelPackError, match="it has no vocabulary"):
        activate(settings.packs_dir, found, PackUse.RETRIEVAL)


def based_on(base: InstalledPack) -> Base:
    assert base.pack is not None
    return Base(name=base.pack.identity.name, digest=base.pack.identity.digest)


def test_a_pack_builds_on_the_very_pack_that_it_names(settings: Settings, tmp_path: Path) -> None:
    base = make(settings, tmp_path, "base")
    head = make(settings, tmp_path, "head", base=based_on(base))
    assert head.pack is not None
    assert base.pack is not None
    assert resolve_base(head.pack, settings.packs_dir).identity == base.pack.identity
    with pytest.raises(ModelPackError, match=f"{head.name} builds on it"):
        remove(settings, base)
    remove(settings, head)
    remove(settings, base)
    assert installed_packs(settings.packs_dir) == []


def test_a_base_that_is_not_there_or_is_another_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelPackError, match="it builds on base 111111111111: which is not installed"):
        make(settings, tmp_path, "head", base=Base(name="base", digest="1" * 64))
    other = make(settings, tmp_path, "base")
    with pytest.raises(ModelPackError, match=f"only another of that name is installed .{other.name}.; install that"):
        installed(tmp_path / "head", settings.packs_dir)


def test_a_pack_is_never_trusted_further_than_its_base(settings: Settings, tmp_path: Path) -> None:
    base = based_on(make(settings, tmp_path, "base", label=ModelLabel.DEMO))
    make(settings, tmp_path, "weaker", base=base, label=ModelLabel.UNTRAINED)
    make(settings, tmp_path, "equal", base=base, label=ModelLabel.DEMO)
    with pytest.raises(ModelPackError, match="labelled DEMO: a pack on it cannot be labelled RESEARCH"):
        make(settings, tmp_path, "stronger", base=base, label=ModelLabel.RESEARCH)


def test_a_damaged_base_is_no_base(settings: Settings, tmp_path: Path) -> None:
    base = make(settings, tmp_path, "base")
    head = make(settings, tmp_path, "head", base=based_on(base))
    (base.folder / "numbers.json").write_text("[]")
    assert head.pack is not None
    with pytest.raises(ModelPackError, match="is not the file that its manifest names"):
        resolve_base(head.pack, settings.packs_dir)


def test_what_is_in_use_is_not_removed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = make(settings, tmp_path, "one"), make(settings, tmp_path, "two")
    activate(settings.packs_dir, one, PackUse.RETRIEVAL)
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", str(two.folder))
    for found, use in ((one, "retrieval"), (two, "scoring")):
        with pytest.raises(ModelPackError, match=f"{found.name}: it is in use for {use}"):
            remove(load_settings(), found)
    assert {each.name for each in installed_packs(settings.packs_dir)} == {one.name, two.name}


def test_a_folder_that_is_no_pack_is_listed_with_its_fault(settings: Settings, tmp_path: Path) -> None:
    make(settings, tmp_path, "one")
    (settings.packs_dir / "broken").mkdir()
    (settings.packs_dir / "broken" / "manifest.json").write_text(json.dumps({"format": 1}))
    broken = installed_packs(settings.packs_dir)[0]
    assert (broken.name, broken.pack, broken.accepted) == ("broken", None, False)
    assert broken.fault is not None
    assert "name" in broken.fault
