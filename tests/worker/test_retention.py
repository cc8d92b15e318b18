"""What has outlived its time goes from spool and registry, each kind after its own; and nothing else does."""

import errno
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile
from uuid import uuid4

import pydicom
import pytest
from sqlalchemy import update

import worker.retention
from config.errors import SpoolAwayError
from config.sections.keep import KeptKind
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.holds import hold_study
from db.lifecycle.retention import removals
from db.lifecycle.studies import close_study, requeue
from db.results.embeddings import StoredEmbeddings, embeddings_of, record_embeddings
from db.states import StudyState
from db.tables.studies import Study
from dicom_node.commitment.files import CommitmentFiles, CommitmentRequest
from dicom_node.commitment.messages import Failure, Reference, new_transaction_uid
from dicom_node.header import read_header, read_image_header
from dicom_node.intake import Intake
from dicom_node.spool_check import compare, rebuild
from tests.support.audit_trail import trail
from tests.support.clips import SMALL, as_study_of_its_own, data_set_of
from tests.support.servers import PostgreSQL
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from worker.embeddings import embeddings_path
from worker.retention import Retention
from worker.sweeper import sweep_outlived

INSTANCES_ACCESSED = "110103"
REPORT_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"


class Kept:
    """An installation that keeps tensors for 10 days, embeddings for 20, pixels for 30; a study at rest in it."""

    def __init__(self, folder: Path) -> None:
        self.pipeline = Pipeline.create(load_settings(data_dir=folder / "data"))
        self.context = self.pipeline.context
        self.spool, self.database = self.context.spool, self.context.database
        self.sent = as_study_of_its_own(SMALL, folder / "sent")
        self.uid = str(read_header(self.sent).study_instance_uid)
        report = as_study_of_its_own(SMALL, folder / "sent", SOPClassUID=REPORT_CLASS)
        self.pipeline.receive(_into(self.uid, report), self.sent)
        with self.database.write() as session:
            close_study(session, self.uid, now=datetime.now(UTC))
            session.execute(update(Study).values(state=StudyState.DELIVERED))
        self.image = self.spool.instance_path(self.uid, read_header(self.sent).sop_instance_uid)
        self.report = self.spool.instance_path(self.uid, read_header(report).sop_instance_uid)
        self.tensor = self.spool.tensor_folder(self.uid, 1) / "token" / "1.npy"
        self.embeddings = embeddings_path(self.spool.root, embedder="e" * 64, study_instance_uid=self.uid, revision=1)
        for made in (self.tensor, self.embeddings):
            made.parent.mkdir(parents=True)
            made.write_bytes(b"made")
        stored = StoredEmbeddings(
            study_instance_uid=self.uid,
            revision=1,
            embedder="e" * 64,
            preprocessing_profile="p",
            path=self.spool.relative(self.embeddings),
            clips=1,
            frames=1,
            created_at=datetime.now(UTC),
        )
        with self.database.write() as session:
            record_embeddings(session, study_id=self.pipeline.id_of(self.uid), stored=stored)

    @property
    def retention(self) -> Retention:
        return Retention(self.context.settings, self.database, self.spool)

    def intake(self) -> Intake:
        return Intake(self.context.settings, self.spool, self.database, self.context.broker)

    def send_again(self) -> None:
        arrived = Path(copyfile(self.sent, self.spool.new_incoming()))
        self.spool.keep(arrived, read_header(arrived))

    def files(self) -> dict[str, bool]:
        named = {"image": self.image, "report": self.report, "tensor": self.tensor, "embeddings": self.embeddings}
        return {name: file.exists() for name, file in named.items()}

    def is_removed(self) -> bool:
        instances = self.pipeline.detail(self.uid).instances
        return {each.sop_instance_uid: each.removed_at is not None for each in instances}[self.image.stem]


def _into(study: str, file: Path) -> Path:
    dataset = pydicom.dcmread(file)
    dataset.StudyInstanceUID = study
    dataset.save_as(file)
    return file


def in_days(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    for kind, days in (("TENSORS", 10), ("EMBEDDINGS", 20), ("PIXELS", 30)):
        monkeypatch.setenv(f"ECHOWORKER_KEEP__{kind}_DAYS", str(days))
    return Kept(tmp_path)


def test_each_kind_goes_after_its_own_time_and_reports_stay(kept: Kept) -> None:
    everything = {"image": True, "report": True, "tensor": True, "embeddings": True}
    for days, gone in ((9, set()), (11, {"tensor"}), (21, {"tensor", "embeddings"})):
        kept.retention.remove(now=in_days(days))
        assert kept.files() == everything | dict.fromkeys(gone, False)
    assert not (kept.spool.root / "tensors" / kept.uid).exists()
    with kept.database.read() as session:
        of_study = embeddings_of(
            session, study_id=kept.pipeline.id_of(kept.uid), study_instance_uid=kept.uid, revision=1
        )
    assert of_study == {}
    kept.retention.remove(now=in_days(31))
    assert kept.files() == {"image": False, "report": True, "tensor": False, "embeddings": False}
    assert kept.is_removed()
    assert list(compare(kept.spool, kept.database, verify=True)) == [], "nothing is lost, and nothing unknown"
    assert rebuild(kept.spool, kept.database) == 0
    with kept.database.read() as session:
        done = removals(session, limit=10)
    assert [removal.kind for removal in done] == ["pixels", "embeddings", "tensors"]
    assert all(removal.ended_at and removal.files == 1 and removal.size_bytes for removal in done)


def test_the_headers_of_removed_images_stay_and_go_when_these_come_back(kept: Kept) -> None:
    before = read_image_header(kept.image)
    kept.retention.remove(now=in_days(31))
    header = kept.spool.header_path(kept.image)
    assert read_image_header(header) == before
    assert read_image_header(header).file_meta == before.file_meta
    assert "PixelData" not in pydicom.dcmread(header)
    kept.send_again()
    kept.intake().work_once()
    assert not header.exists()


def test_a_file_that_the_disk_does_not_give_holds_up_no_other_study(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = as_study_of_its_own(SMALL, tmp_path / "other")
    uid = kept.pipeline.receive(other)
    with kept.database.write() as session:
        close_study(session, uid, now=datetime.now(UTC))
        session.execute(update(Study).values(state=StudyState.DELIVERED))
    readable = worker.retention.header_alone

    def bad_sector(file: Path) -> bytes:
        if file == kept.image:
            raise OSError(errno.EIO, "Input/output error")
        return readable(file)

    with monkeypatch.context() as patched:
        patched.setattr(worker.retention, "header_alone", bad_sector)
        kept.retention.remove(now=in_days(31))
    assert kept.image.exists()
    assert not kept.spool.instance_path(uid, read_header(other).sop_instance_uid).exists()
    assert not kept.tensor.exists()
    kept.retention.finish()
    assert not kept.image.exists(), "the next one ends it"


def test_a_study_that_is_held_after_its_removal_was_noted_keeps_what_is_there(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Retention) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Retention, "finish", killed)
        kept.retention.remove(now=in_days(31))
    with kept.database.write() as session:
        hold_study(session, kept.uid, by="k.meyer", reason="trial", now=datetime.now(UTC))
    kept.retention.finish()
    assert kept.image.exists()
    assert not kept.is_removed()
    with kept.database.read() as session:
        removal = next(each for each in removals(session, limit=10) if each.kind == KeptKind.PIXELS)
    assert (removal.files, removal.size_bytes, removal.ended_at is None) == (0, 0, False)


def test_by_default_everything_is_kept_for_ever_but_clips_that_a_killed_worker_has_left(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.retention.remove(now=in_days(10_000))
    assert kept.files() == {"image": True, "report": True, "tensor": False, "embeddings": True}


def test_what_would_go_is_counted_and_nothing_is_changed(kept: Kept) -> None:
    for kind, file in ((KeptKind.PIXELS, kept.image), (KeptKind.TENSORS, kept.tensor)):
        (study,) = kept.retention.outlived(kind, now=in_days(31))
        assert (study.study_instance_uid, study.files, study.size_bytes) == (kept.uid, 1, file.stat().st_size)
    assert all(kept.files().values())
    assert not kept.is_removed()


def test_nothing_goes_while_something_waits_to_be_registered(kept: Kept) -> None:
    kept.send_again()
    kept.retention.remove(now=in_days(31))
    assert all(kept.files().values())


def test_nothing_goes_that_a_sender_waits_to_be_told_of(kept: Kept) -> None:
    files = CommitmentFiles(kept.spool)
    name = files.ask(_request(kept))
    kept.retention.remove(now=in_days(31))
    assert kept.image.exists()
    kept.intake().work_once()  # judged, and to be reported
    kept.retention.remove(now=in_days(31))
    assert kept.image.exists()
    assert files.claim(name) is not None
    kept.retention.remove(now=in_days(31))
    assert kept.image.exists()
    files.reported(name)
    kept.retention.remove(now=in_days(31))
    assert not kept.image.exists()


def test_what_was_removed_is_not_committed_to(kept: Kept) -> None:
    kept.retention.remove(now=in_days(31))
    copyfile(kept.sent, kept.image)  # as if somebody had put it back: the registry says that we do not keep it
    files = CommitmentFiles(kept.spool)
    name = files.ask(_request(kept))
    intake = kept.intake()
    intake._caught_up = True
    intake.work_once()
    answer = files.claim(name)
    assert answer is not None
    assert answer.report.failed == (Failure(str(read_header(kept.sent).sop_class_uid), kept.image.stem, 0x0112),)


def _request(kept: Kept) -> CommitmentRequest:
    return CommitmentRequest(
        transaction_uid=new_transaction_uid(),
        references=(Reference(str(read_header(kept.sent).sop_class_uid), kept.image.stem),),
        calling_ae_title="ECHO1",
        asked_at=datetime.now(UTC),
    )


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["files_still_to_go", "instances_removed", "end_removal", "forget_embeddings_of"])
def test_killed_at_any_moment_nothing_is_lost_or_left_behind(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worker.retention, at, killed)
        with pytest.raises(KeyboardInterrupt):
            kept.retention.remove(now=in_days(31))
    assert list(compare(kept.spool, kept.database)) == []
    assert rebuild(kept.spool, kept.database) == 0
    kept.retention.finish()
    kept.retention.remove(now=in_days(31))
    assert kept.files() == {"image": False, "report": True, "tensor": False, "embeddings": False}
    assert list(compare(kept.spool, kept.database)) == []


def test_a_spool_that_is_out_of_sight_ends_no_removal(kept: Kept, tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.retention, "files_still_to_go", killed)
        kept.retention.remove(now=in_days(31))
    kept.spool.root.rename(tmp_path / "elsewhere")
    kept.spool.root.mkdir()
    with pytest.raises(SpoolAwayError):
        kept.retention.finish()
    kept.spool.root.rmdir()
    (tmp_path / "elsewhere").rename(kept.spool.root)
    kept.retention.finish()
    assert not kept.image.exists()


def _removed(kept: Kept) -> None:
    kept.retention.remove(now=in_days(31))


def _being_removed(kept: Kept) -> None:
    with suppress(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.retention, "files_still_to_go", killed)
        kept.retention.remove(now=in_days(31))


@pytest.mark.parametrize("before", [_removed, _being_removed])
def test_an_instance_that_is_sent_again_is_kept_again_and_its_study_stays_as_it_is(
    kept: Kept, before: Callable[[Kept], None]
) -> None:
    before(kept)
    kept.send_again()
    kept.retention.finish()
    assert kept.is_removed()
    kept.intake().work_once()
    assert data_set_of(kept.image) == data_set_of(kept.sent)
    assert not kept.is_removed()
    assert kept.pipeline.detail(kept.uid).study.state == StudyState.DELIVERED
    assert list(compare(kept.spool, kept.database, verify=True)) == []
    assert list(kept.spool.unregistered()) == []


def test_what_was_received_while_its_file_was_removed_gets_its_name_back(kept: Kept) -> None:
    """The receiver found the file, and gave it its second name; then it went."""
    _being_removed(kept)
    kept.send_again()
    kept.image.unlink()
    kept.intake().work_once()
    assert data_set_of(kept.image) == data_set_of(kept.sent)
    assert not kept.is_removed()


def test_what_was_sent_again_and_lost_its_second_name_to_a_loss_of_power_is_registered(kept: Kept) -> None:
    _removed(kept)
    kept.send_again()
    for path in list(kept.spool.unregistered()):
        path.unlink()
    kept.intake().work_once()
    assert not kept.is_removed()


def test_the_audit_trail_says_what_was_deleted(kept: Kept) -> None:
    kept.retention.remove(now=in_days(31))
    (told,) = trail(kept.context.settings.audit_dir, INSTANCES_ACCESSED)
    assert (told.object_id, told.instances) == (kept.uid, 1)
    lines = b"".join(path.read_bytes() for path in kept.context.settings.audit_dir.glob("*.log")).splitlines()
    (line,) = [line for line in lines if INSTANCES_ACCESSED.encode() in line]
    assert b'EventActionCode="D"' in line


def test_beat_removes_within_the_window_and_ends_at_any_time_what_was_begun(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = in_days(31).astimezone().replace(hour=3, minute=0)
    sweep_outlived(kept.context, now=night.replace(hour=12))
    assert all(kept.files().values())
    with monkeypatch.context() as patch:
        patch.setattr(worker.retention, "files_still_to_go", killed)
        with pytest.raises(KeyboardInterrupt):
            sweep_outlived(kept.context, now=night)
    assert kept.image.exists()
    sweep_outlived(kept.context, now=night.replace(hour=12))
    assert not kept.image.exists()
    assert kept.embeddings.exists()
    sweep_outlived(kept.context, now=night)
    assert kept.files() == {"image": False, "report": True, "tensor": False, "embeddings": False}


def test_a_clock_that_jumped_ahead_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql_server: PostgreSQL
) -> None:
    """Beside the clock of the registry's server: what is gone from here may be gone from the PACS, too."""
    monkeypatch.setenv("ECHOWORKER_DATABASE__URL", postgresql_server.create_database(f"jump_{uuid4().hex[:8]}"))
    monkeypatch.setenv("ECHOWORKER_KEEP__PIXELS_DAYS", "30")
    kept = Kept(tmp_path)
    sweep_outlived(kept.context, now=in_days(31).astimezone().replace(hour=3, minute=0))
    assert all(kept.files().values())


def test_a_report_can_be_built_once_more_when_the_pixels_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_KEEP__PIXELS_DAYS", "30")
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    uid = ready(pipeline, as_study_of_its_own(SMALL, tmp_path))
    assert pipeline.run(uid, TO_REPORT).study.state == StudyState.REPORTED
    context = pipeline.context
    before = pipeline.detail(uid).report
    assert before is not None
    content = context.spool.absolute(before.spool_path).read_bytes()
    Retention(context.settings, context.database, context.spool).remove(now=in_days(31))
    assert not context.spool.absolute(pipeline.detail(uid).instances[0].spool_path).exists()
    context.spool.absolute(before.spool_path).unlink()
    with context.database.write() as session:
        requeue(session, uid, now=datetime.now(UTC), step=Step.REPORT)
    assert pipeline.run(uid, [Step.REPORT]).study.state == StudyState.REPORTED
    assert context.spool.absolute(before.spool_path).read_bytes() == content
