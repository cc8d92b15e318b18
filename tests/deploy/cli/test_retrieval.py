"""The search commands over an installation that prepared and scored two real clips with the UNTRAINED model."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from click.testing import Result
from sqlalchemy import delete
from typer.testing import CliRunner

from config.broker import create_celery_app
from config.errors import EchoWorkerError
from config.settings import load_settings
from config.steps import Step
from db.results.embeddings import StoredEmbeddings, record_embeddings
from db.session import Database
from db.tables.pictures import StudyEmbeddings
from db.tables.studies import PatientIdentity, Study
from deploy.cli.application import app
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.worker.pipeline import Pipeline
from worker.context import WorkerContext
from worker.echoclip.untrained import make_untrained_pack
from worker.embeddings import ClipEmbeddings, embeddings_path, write_embeddings
from worker.packs.active import PackUse, activate
from worker.packs.installed import find_pack
from worker.retrieval.packs import retrieval_pack

pytestmark = pytest.mark.long

PHI = ("SECRET-ID", "SECRET^NAME", "19500101", "SECRET-ACCESSION")


@dataclass
class Scored:
    folder: Path
    small: str
    large: str
    """Study Instance UIDs."""

    def run(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(app, ["--data", str(self.folder / "data"), *map(str, arguments)])

    def json(self, *arguments: str | Path) -> dict:  # type: ignore[type-arg]
        run = self.run(*arguments, "--json")
        assert run.exit_code == 0, run.exception
        assert not [phi for phi in PHI if phi in run.stdout]
        return dict(json.loads(run.stdout))

    def refused(self, *arguments: str | Path) -> str:
        run = self.run(*arguments)
        assert isinstance(run.exception, EchoWorkerError), run.output
        return str(run.exception)

    @property
    def registry(self) -> Database:
        return Database(load_settings(data_dir=self.folder / "data").database_url)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    for name in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
        del os.environ[name]  # of a test before; the fixture that does so is for single tests
    folder = tmp_path_factory.mktemp("scored")
    settings = load_settings(data_dir=folder / "data")
    make_untrained_pack(settings.packs_dir / "untrained")
    activate(settings.packs_dir, find_pack(settings.packs_dir, "untrained"), PackUse.SCORING)
    pipeline = Pipeline.create(settings)
    small, large = (
        pipeline.receive(as_study_of_its_own(file, folder, PatientID="SECRET-ID", PatientName="SECRET^NAME",
                                             PatientBirthDate="19500101", AccessionNumber="SECRET-ACCESSION"))
        for file in (SMALL, LARGE)
    )  # fmt: skip
    pipeline.fall_quiet()
    for uid in (small, large):
        pipeline.run(uid, [Step.PREPARE, Step.SCORE])
    return Scored(folder, small, large)


@pytest.fixture
def scored(made: Scored, tmp_path: Path) -> Iterator[Scored]:
    shutil.copytree(made.folder / "data", tmp_path / "data")
    yield Scored(tmp_path, made.small, made.large)


def test_the_same_acquisition_at_another_size_is_found_as_a_study_most_like_it(scored: Scored) -> None:
    answer = scored.json("similar", scored.small)
    (found,) = answer["results"]
    assert found["study"] == scored.large
    assert 0.9 < found["score"] <= 1
    assert found["like_clip"].startswith("1.2.")


def test_a_text_finds_studies_with_the_clip_that_is_most_like_it(scored: Scored, tmp_path: Path) -> None:
    answer = scored.json("search", "Mitral valve clip in place.")
    assert {entry["study"] for entry in answer["results"]} == {scored.small, scored.large}
    scores = [entry["score"] for entry in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    report = tmp_path / "report.txt"
    report.write_text("Mitral valve clip in place.")
    assert scored.json("search", "--file", report)["results"] == answer["results"]
    assert scored.json("search", "Mitral valve clip in place.", "--top", "1")["results"] == answer["results"][:1]


@pytest.mark.parametrize("command", ["search", "similar", "same-patient", "rank"])
def test_every_answer_says_its_model_and_label_and_nothing_of_the_patient(
    scored: Scored, tmp_path: Path, command: str
) -> None:
    reports = tmp_path / "reports.jsonl"
    reports.write_text('{"id": "a", "text": "Normal."}\n')
    arguments: dict[str, list[str | Path]] = {
        "search": ["Normal."],
        "similar": [scored.small],
        "same-patient": [scored.small, scored.large],
        "rank": [scored.small, "--reports", reports],
    }
    answer = scored.json(command, *arguments[command])
    assert answer["model"]["label"] == "UNTRAINED"
    assert answer["limits_of_use"].startswith("NOT FOR CLINICAL USE")
    assert answer["searched"] | {"embedder": ""} == {
        "studies": 2,
        "clips": 2,
        "preprocessing_profile": "fast-1",
        "embedder": "",
        "without_embeddings": 0,
        "unreadable": [],
    }
    shown = scored.run(command, *arguments[command])
    assert shown.exit_code == 0
    assert "NOT FOR CLINICAL USE. Made by an UNTRAINED model" in shown.stdout
    assert "EchoWorker untrained" in shown.stdout
    assert "the one that scores: no pack for retrieval is in use" in " ".join(shown.stdout.split())
    assert not [phi for phi in PHI if phi in shown.output]


def test_a_pack_for_retrieval_answers_with_embeddings_of_its_own_beside_those_that_score(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    make_untrained_pack(settings.packs_dir / "other", seed=1)
    activate(settings.packs_dir, find_pack(settings.packs_dir, "other"), PackUse.RETRIEVAL)
    pipeline = Pipeline(WorkerContext(settings, create_celery_app(settings)))
    pipeline.context.database.upgrade()
    pipeline.context.spool.create()
    uid = pipeline.receive(SMALL)
    pipeline.fall_quiet()
    pipeline.run(uid, [Step.PREPARE, Step.SCORE])
    answer = Scored(tmp_path, uid, "").json("search", "Normal.")
    assert answer["model"]["for_retrieval"] is True
    assert answer["model"]["version"] == "seed 1"
    assert [entry["study"] for entry in answer["results"]] == [uid]


def test_a_likeness_is_uncalibrated_until_this_installation_has_compared_its_own_studies(scored: Scored) -> None:
    answer = scored.json("same-patient", scored.small, scored.large)
    assert answer["calibration"] is None
    assert answer["score"] == scored.json("similar", scored.small)["results"][0]["score"]
    assert "UNCALIBRATED" in scored.run("same-patient", scored.small, scored.large).stdout
    assert "1 patients have embeddings of this model" in scored.refused("same-patient", "--calibrate")


def test_a_calibration_with_this_installations_patients_gives_percentages(scored: Scored) -> None:
    _many_patients(scored, 20)
    made = scored.run("same-patient", "--calibrate")
    assert made.exit_code == 0, made.exception
    assert not [phi for phi in (*PHI, "PATIENT") if phi in made.output]
    kept = next((scored.folder / "data" / "same-patient").iterdir())
    assert not [phi for phi in (*PHI, "PATIENT") if phi in kept.read_text()]
    answer = scored.json("same-patient", scored.small, scored.large)
    assert answer["calibration"]["patients"] == 21
    assert answer["calibration"]["model_label"] == "UNTRAINED"
    # Random directions are unlike each other; one acquisition at two sizes is not.
    assert answer["share_of_different_patients_as_alike"] == 0
    assert answer["share_of_same_patient_as_alike"] == pytest.approx(1 / 21)
    assert answer["likelihood_ratio"] is None
    said = " ".join(scored.run("same-patient", scored.small, scored.large).stdout.split())
    assert "as alike or more: none of 210 pairs of different patients here" in said
    assert "as alike or more: 4.8% of 21 pairs of one patient here" in said
    assert "UNCALIBRATED" not in said


def test_candidate_reports_come_in_order_with_the_place_of_the_studys_own(scored: Scored, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.txt").write_text(f"The ejection fraction is {number} percent.")
    (folder / f"{scored.small}.txt").write_text("A pacemaker lead is seen.")
    answer = scored.json("rank", scored.small, "--reports", folder, "--top", "10")
    assert [entry["rank"] for entry in answer["results"]] == list(range(1, 11))
    (own,) = (entry for entry in answer["results"] if entry["report"] == scored.small)
    assert answer["own"] == {"report": scored.small, "rank": own["rank"], "share": own["rank"] / 10}
    assert answer["candidates"] == 10
    assert len(scored.json("rank", scored.small, "--reports", folder, "--top", "2")["results"]) == 2
    assert scored.json("rank", scored.small, "--reports", folder, "--own", "4")["own"]["report"] == "4"


def test_studies_that_are_not_searched_are_counted_with_what_to_do(scored: Scored) -> None:
    with scored.registry.write() as session:
        large = session.query(Study.id).filter_by(study_instance_uid=scored.large).scalar_subquery()
        session.execute(delete(StudyEmbeddings).where(StudyEmbeddings.study_id == large))
    assert scored.json("search", "Normal.")["searched"]["without_embeddings"] == 1
    said = " ".join(scored.run("search", "Normal.").stdout.split())
    assert "not searched: scored studies without embeddings of this model over clips prepared as fast-1: 1; " in said
    assert "requeue them with --step prepare" in said


def test_damaged_embeddings_are_named(scored: Scored) -> None:
    damaged = next((scored.folder / "data" / "spool" / "embeddings").glob(f"*/{scored.large}/1.safetensors"))
    damaged.write_bytes(b"")
    assert scored.json("similar", scored.small)["searched"]["unreadable"] == [scored.large]
    assert scored.large in scored.run("similar", scored.small).stdout
    assert "has no embeddings of this model: requeue it" in scored.refused("similar", scored.large)


def test_a_text_that_is_not_read_whole_is_said(scored: Scored) -> None:
    assert "fills the model's 77 tokens" in scored.json("search", "valve " * 100)["doubt"]
    assert "fills the model's 77 tokens" in scored.run("search", "valve " * 100).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search"], "give a TEXT, or --file"),
        (["search", "x", "--file", __file__], "give a TEXT, or --file"),
        (["same-patient"], "give two different Study Instance UIDs, or --calibrate alone"),
        (["same-patient", "1.2", "1.2"], "give two different Study Instance UIDs"),
        (["same-patient", "1.2", "1.3", "--calibrate"], "give two different Study Instance UIDs"),
        (["similar", "1.2"], "no study 1.2"),
        (["rank", "1.2", "--reports", Path(__file__).parent], "holds no reports"),
    ],
    ids=["no-text", "two-texts", "no-study", "one-study", "too-much", "unknown", "no-reports"],
)
def test_what_cannot_be_answered_is_said(scored: Scored, arguments: list[str | Path], said: str) -> None:
    assert said in scored.refused(*arguments)


def _many_patients(scored: Scored, patients: int) -> None:
    """So many more patients with two studies each, in random directions; what they have of a registry and a spool."""
    settings = load_settings(data_dir=scored.folder / "data")
    embedder = retrieval_pack(settings).embedder
    random = torch.Generator().manual_seed(1)
    now = datetime.now(UTC)
    with scored.registry.write() as session:
        for number in range(2 * patients):
            uid = f"1.9.{number}"
            study = Study(study_instance_uid=uid, state="SCORED", state_since=now, created_at=now, last_instance_at=now)
            study.identity = PatientIdentity(patient_id=f"PATIENT {number // 2}")
            session.add(study)
            session.flush()
            frames = torch.nn.functional.normalize(torch.randn(2, 64, generator=random), dim=-1)
            path = embeddings_path(settings.spool_dir, embedder=embedder, study_instance_uid=uid, revision=1)
            clip = ClipEmbeddings(sop_instance_uid=f"{uid}.1", frame_numbers=(1, 2), frames=frames)
            write_embeddings(path, [clip], embedder=embedder, profile="fast-1")
            stored = StoredEmbeddings(
                study_instance_uid=uid, revision=1, embedder=embedder, preprocessing_profile="fast-1",
                path=str(path.relative_to(settings.spool_dir)), clips=1, frames=2, created_at=now,
            )  # fmt: skip
            record_embeddings(session, study_id=study.id, stored=stored)
