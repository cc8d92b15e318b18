"""`echoworker rules` as an administrator meets it: no registry, nothing sent, and no word of the patient."""

import subprocess
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from config.settings import load_settings
from config.steps import Step
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.installation import Installation
from tests.support.servers import StoreSCP
from tests.worker.pipeline import Pipeline

RULES = """
[[peers]]
name = "VIVID"
ae_title = "VIVID1"
roles = ["sender", "forward"]
host = "127.0.0.1"
port = 1
[[peers]]
name = "LAB"
ae_title = "LAB"
roles = ["forward"]
host = "127.0.0.1"
port = 1
[[rules]]
name = "vendor reports"
modality = ["SR"]
action = "store"
[[rules]]
name = "other machines"
calling_ae_title = ["OTHER"]
[[rules]]
name = "[stress]"
sop_class = ["UltrasoundMultiFrameImageStorage"]
peer = ["VIVID"]
series_description = ["*stress*"]
action = "store"
priority = "stat"
forward_to = ["VIVID", "LAB"]
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))
    made.site.write_text(made.site.read_text() + RULES)
    return made


def lines(run: subprocess.CompletedProcess[str]) -> list[str]:
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_a_dry_run_says_which_rule_fits_and_why_the_earlier_ones_do_not(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", "postgresql+psycopg://nobody@127.0.0.1:1/away")
    file = as_study_of_its_own(SMALL, tmp_path / "outside", SeriesDescription="Stress echo of Doe^Jane")
    run = installation.command("rules", "test", file, "--from", "VIVID1")
    assert lines(run) == [
        str(file),
        "  1 vendor reports: modality is US, not SR",
        "  2 other machines: calling_ae_title is VIVID1, not OTHER",
        "  3 [stress]: fits",
        "    not forwarded to VIVID: it comes from there",
        "  -> store, forward to LAB, STAT",
    ]


def test_free_text_is_not_shown(installation: Installation, tmp_path: Path) -> None:
    named = as_study_of_its_own(SMALL, tmp_path / "outside", SeriesDescription="Doe^Jane")
    without = as_study_of_its_own(SMALL, tmp_path / "outside")
    said = lines(installation.command("rules", "test", named, without, "--from", "VIVID1"))
    assert "  3 [stress]: series_description fits none of *stress*" in said
    assert "  3 [stress]: series_description is absent, not *stress*" in said
    assert said.count("  no rule fits") == said.count("  -> score, forward nowhere") == 2
    assert "Doe" not in "".join(said)


def test_without_a_sender_conditions_on_it_say_how_to_name_one(installation: Installation) -> None:
    said = lines(installation.command("rules", "test", SMALL))
    assert "  2 other machines: calling_ae_title is not OTHER: name the sender with --from" in said
    assert "  3 [stress]: peer is not VIVID: name the sender with --from" in said


def test_a_file_that_is_no_dicom_is_named_and_the_others_are_tried(installation: Installation, tmp_path: Path) -> None:
    letter = tmp_path / "letter.dcm"
    letter.write_text("Dear colleague")
    run = installation.command("rules", "test", letter, SMALL)
    assert run.returncode == 1
    assert "letter.dcm: not a readable DICOM data set" in run.stdout
    assert "-> score, forward nowhere" in run.stdout
    assert run.stderr.strip() == "error: 1 of 2 files cannot be read"


def test_the_rules_are_listed_in_their_order(installation: Installation) -> None:
    said = installation.command("rules", "list").stdout
    places = [said.index(name) for name in ("vendor reports", "other machines", "[stress]", "(no rule fits)")]
    assert places == sorted(places)
    assert "series_description: *stress*" in said
    assert "store, forward to VIVID, LAB" in said


def test_what_is_on_its_way_is_shown_and_a_wrong_peer_is_an_error(installation: Installation) -> None:
    assert installation.command("rules", "forwards").stderr.startswith("error: no installation at")
    assert installation.command("db", "upgrade").returncode == 0
    assert "Given up" in installation.command("rules", "forwards").stdout
    assert "LAB: 0 instances are due once more" in installation.command("rules", "forwards", "--again", "LAB").stdout
    wrong = installation.command("rules", "forwards", "--again", "pacs")
    assert wrong.stderr.strip() == 'error: --again pacs: no peer of this name has the role "forward"'


def test_rules_of_now_are_applied_to_a_study_that_was_received_under_others(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    pipeline = Pipeline.create(load_settings())
    report = Path(str(get_testdata_file("reportsi.dcm", download=False)))
    study = pipeline.receive(as_study_of_its_own(report, tmp_path / "outside"))
    pipeline.fall_quiet()
    assert pipeline.run(study, [Step.PREPARE]).study.state == "SKIPPED"
    installation.site.write_text(installation.site.read_text().replace('modality = ["SR"]', 'modality = ["KO"]'))
    said = " ".join(installation.command("rules", "apply", study).stdout.split())
    assert f"study {study}: 1 instances: (no rule fits): score, forward nowhere" in said
    assert f"study {study}: is prepared again" in said
    assert pipeline.detail(study).study.state == "READY"
    absent = installation.command("rules", "apply", "1.2.3")
    assert absent.stderr.strip() == "error: study 1.2.3 is not in the registry"
    shown = installation.command("study", study)
    assert shown.returncode == 0, shown.stderr
