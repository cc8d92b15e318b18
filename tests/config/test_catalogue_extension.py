"""A site's file that changes the bundled catalogue: what it gives, and that it goes on giving it."""

import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

import config.catalogue
from config.catalogue import BUNDLED_CATALOGUE, Catalogue, load_catalogue
from config.catalogue_extension import extended
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask

EXTENSION = """
extends = "bundled"
remove = ["impella_position", "impella", "suprasternal"]

[[task]]
id = "lvef"
reportable = { first = 15, last = 75 }

[[task]]
id = "appendage_device"
name = "Left atrial appendage occluder"
kind = "binary"
prompts = ["An occluder closes the left atrial appendage."]
concept = { value = "LAAO", scheme = "99SITE", meaning = "Left atrial appendage occluder" }
finding_site = { value = "82471001", scheme = "SCT", meaning = "Left atrium" }

[[view]]
id = "page"
prompts = ["Seite mit Text: Messwerte „Größe“ \\\\ \\"EF\\""]
"""


def loaded(folder: Path, content: str) -> Catalogue:
    file = folder / "site-tasks.toml"
    file.write_text(content)
    return load_catalogue(file)


def test_it_replaces_field_by_field_adds_and_removes(tmp_path: Path) -> None:
    bundled, site = load_catalogue(), loaded(tmp_path, EXTENSION)
    kept = [task.id for task in bundled.tasks if not task.id.startswith("impella")]
    assert [task.id for task in site.tasks] == [*kept, "appendage_device"]
    assert [view.id for view in site.views] == [view.id for view in bundled.views if view.id != "suprasternal"]
    before, after = bundled.task("lvef"), site.task("lvef")
    assert isinstance(before, RegressionTask)
    assert isinstance(after, RegressionTask)
    assert after.reportable is not None
    assert (after.reportable.first, after.reportable.last) == (15, 75)
    assert after.model_copy(update={"reportable": before.reportable}) == before
    page = site.view("page")
    assert page is not None
    assert page.prompts == ('Seite mit Text: Messwerte „Größe“ \\ "EF"',)
    assert page.name == "page of text or measurements"
    assert site.task("tavr") == bundled.task("tavr")


def test_what_is_removed_and_given_again_is_new(tmp_path: Path) -> None:
    content = """
extends = "bundled"
remove = ["tavr"]
[[task]]
id = "tavr"
name = "TAVR"
kind = "binary"
prompts = ["a stented valve"]
concept = { value = "TAVR", scheme = "99SITE", meaning = "TAVR" }
finding_site = { value = "34202007", scheme = "SCT", meaning = "Aortic valve" }
"""
    tavr = loaded(tmp_path, content).task("tavr")
    assert isinstance(tavr, BinaryTask)
    assert (tavr.views, tavr.published_as, tavr.prompts) == ((), None, ("a stented valve",))


def test_a_file_that_changes_nothing_asks_the_same(tmp_path: Path) -> None:
    same = loaded(tmp_path, 'extends = "bundled"\n')
    bundled = load_catalogue()
    assert (same.tasks, same.views) == (bundled.tasks, bundled.views)


def test_comments_and_the_order_of_fields_do_not_change_the_digest_and_content_does(tmp_path: Path) -> None:
    first = loaded(tmp_path, EXTENSION)
    assert loaded(tmp_path, f"# ours\n{EXTENSION}").digest == first.digest
    assert loaded(tmp_path, EXTENSION.replace("last = 75", "last = 76")).digest != first.digest


def test_the_kept_copy_is_whole_so_that_no_upgrade_changes_what_a_run_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = loaded(tmp_path, EXTENSION)
    kept = tmp_path / "kept.toml"
    kept.write_bytes(site.content)
    upgraded = tmp_path / "bundled.toml"
    upgraded.write_text(BUNDLED_CATALOGUE.read_text().replace("Mitral valve clip", "Edge-to-edge repair"))
    monkeypatch.setattr(config.catalogue, "BUNDLED_CATALOGUE", upgraded)
    assert load_catalogue(kept) == site
    assert loaded(tmp_path, EXTENSION).digest != site.digest, "the site's file now means something else"


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), min_size=1, max_size=64)
SENTENCE = ANY_TEXT.filter(lambda text: bool(text.strip()))


@given(
    prompts=st.lists(SENTENCE, min_size=1, max_size=4),
    name=ANY_TEXT,
    first=st.integers(0, 40),
    severity=st.floats(0, 1),
    removed=st.sets(st.sampled_from(["tavr", "mitraclip", "suprasternal", "lung", "aortic_stenosis"])),
)
def test_whatever_a_site_writes_the_copy_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    prompts: list[str],
    name: str,
    first: int,
    severity: float,
    removed: set[str],
) -> None:
    cut = {"values": [severity, 1.5, 2.5], "origin": name, "model_family": "x", "wording": "catalogue"}
    changes = {
        "extends": "bundled",
        "remove": sorted(removed),
        "task": [
            {"id": "mitral_ring", "prompts": prompts, "name": name},
            {"id": "lvef", "reportable": {"first": first, "last": 80}},
            {"id": "mitral_stenosis", "cut_points": [cut]},
        ],
    }
    folder = tmp_path_factory.mktemp("site")
    site = loaded(folder, tomli_w.dumps(changes))
    kept = folder / "kept.toml"
    kept.write_bytes(site.content)
    assert load_catalogue(kept) == site
    stenosis = site.task("mitral_stenosis")
    assert isinstance(stenosis, ClassTask)
    assert stenosis.cut_points[0].values[0] == severity
    ring = site.task("mitral_ring")
    assert ring is not None
    assert (ring.filled_prompts(), ring.name) == (prompts, name)


def test_the_bundled_entries_are_left_as_they_are() -> None:
    bundled = tomllib.loads(BUNDLED_CATALOGUE.read_text())
    extended({"extends": "bundled", "task": [{"id": "lvef", "name": "EF"}]}, bundled)
    assert bundled == tomllib.loads(BUNDLED_CATALOGUE.read_text())


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ('name = "Lead"', True),
        ('prompts = ["A lead is seen."]', True),  # 0.298 was measured with the published ones
        ("published_indices = [1]", False),
        ('published_as = "tavr"', False),
    ],
)
def test_a_threshold_does_not_outlive_the_prompts_that_it_was_made_with(
    tmp_path: Path, change: str, holds: bool
) -> None:
    pacemaker = loaded(tmp_path, f'extends = "bundled"\n[[task]]\nid = "pacemaker"\n{change}\n').task("pacemaker")
    assert isinstance(pacemaker, BinaryTask)
    assert (pacemaker.threshold_for("echo-clip", "pack") is not None) is holds


def test_a_threshold_that_the_file_itself_gives_stays(tmp_path: Path) -> None:
    given = '{ value = 0.2, origin = "here", model_family = "echo-clip", wording = "pack" }'
    content = f'extends = "bundled"\n[[task]]\nid = "pacemaker"\npublished_indices = [1]\nthresholds = [{given}]\n'
    pacemaker = loaded(tmp_path, content).task("pacemaker")
    assert isinstance(pacemaker, BinaryTask)
    threshold = pacemaker.threshold_for("echo-clip", "pack")
    assert threshold is not None
    assert threshold.value == 0.2
