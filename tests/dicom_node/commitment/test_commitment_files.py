"""Requests, answers and reports as files: what a crash at any point, or a second process, makes of them."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.commitment.files import CLAIM_LASTS, GRACE_S, CommitmentAnswer, CommitmentFiles, CommitmentRequest
from dicom_node.commitment.messages import CommitmentReport, Failure, Reference
from dicom_node.spool import Spool

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AFTER_GRACE = NOW + timedelta(seconds=GRACE_S)
REFERENCES = (Reference("1.2.3", "1.2.3.4"), Reference("1.2.3", "1.2.3.5"))
REQUEST = CommitmentRequest(transaction_uid="1.2.9", references=REFERENCES, calling_ae_title="A/B ../C", asked_at=NOW)
REPORT = CommitmentReport(
    transaction_uid="1.2.9", committed=REFERENCES[:1], failed=(Failure("1.2.3", "1.2.3.5", 0x0112),)
)


@pytest.fixture
def files(tmp_path: Path) -> CommitmentFiles:
    spool = Spool(tmp_path)
    spool.create()
    return CommitmentFiles(spool)


def answered(files: CommitmentFiles) -> str:
    name = files.ask(REQUEST)
    files.answer(name, REQUEST, REPORT, now=NOW)
    return name


def due(files: CommitmentFiles, now: datetime = AFTER_GRACE) -> list[str]:
    return [name for name, _ in files.due_answers(now=now)]


def test_a_request_comes_back_as_it_was_asked_and_its_answer_as_it_was_judged(files: CommitmentFiles) -> None:
    name = files.ask(REQUEST)
    assert files.requests() == [(name, REQUEST)]
    files.answer(name, REQUEST, REPORT, now=NOW)
    assert files.requests() == []
    assert due(files, NOW) == []
    assert due(files) == [name]
    answer = files.claim(name)
    assert answer is not None
    assert (answer.report, answer.calling_ae_title, answer.attempts) == (REPORT, "A/B ../C", 0)
    files.reported(name)
    assert due(files) == []


def test_senders_with_the_same_transaction_uid_are_told_apart(files: CommitmentFiles) -> None:
    other = CommitmentRequest(transaction_uid="1.2.9", references=REFERENCES, calling_ae_title="B", asked_at=NOW)
    assert files.ask(REQUEST) != files.ask(other)
    assert len(files.requests()) == 2


def test_of_many_processes_one_reports(files: CommitmentFiles) -> None:
    name = answered(files)
    start, claims = threading.Barrier(8), list[CommitmentAnswer | None]()

    def compete() -> None:
        start.wait()
        claims.append(files.claim(name))

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claim is not None for claim in claims) == 1


def test_a_crash_between_answer_and_request_answers_again(files: CommitmentFiles, tmp_path: Path) -> None:
    name = files.ask(REQUEST)
    request = tmp_path / "commitments" / "requests" / name
    kept = request.read_bytes()
    files.answer(name, REQUEST, REPORT, now=NOW)
    request.write_bytes(kept)  # as if the process had died before it removed the request
    assert files.requests() == [(name, REQUEST)]
    files.answer(name, REQUEST, REPORT, now=NOW)
    assert due(files) == [name]


def test_an_answer_whose_process_died_while_it_reported_is_reported_by_another(
    files: CommitmentFiles, tmp_path: Path
) -> None:
    name = answered(files)
    assert files.claim(name) is not None
    later = datetime.now(UTC) + CLAIM_LASTS / 2
    assert due(files, later) == []
    long_ago = (datetime.now(UTC) - 2 * CLAIM_LASTS).timestamp()
    os.utime(tmp_path / "commitments" / "sending" / name, (long_ago, long_ago))
    assert due(files, later) == [name]


def test_what_was_not_taken_is_told_again_later_and_after_the_others(files: CommitmentFiles) -> None:
    name = answered(files)
    answer = files.claim(name)
    assert answer is not None
    files.put_back(name, answer, next_attempt_at=NOW + timedelta(minutes=1))
    assert due(files) == []
    other = CommitmentRequest(transaction_uid="1.2.10", references=REFERENCES, calling_ae_title="B", asked_at=NOW)
    second = files.ask(other)
    files.answer(second, other, REPORT, now=NOW)
    assert due(files, NOW + timedelta(minutes=1)) == [second, name]
    assert [answer.attempts for _, answer in files.due_answers(now=NOW + timedelta(minutes=1))] == [0, 1]


def test_asked_again_while_it_is_reported_it_is_reported_again(files: CommitmentFiles) -> None:
    name = answered(files)
    answer = files.claim(name)
    assert answer is not None
    assert answered(files) == name
    files.put_back(name, answer, next_attempt_at=NOW + timedelta(days=1))
    assert due(files) == [name]
    files.claim(name)
    files.reported(name)
    assert due(files) == []


def test_what_is_given_up_is_kept_and_can_be_moved_back(files: CommitmentFiles, tmp_path: Path) -> None:
    name = answered(files)
    files.claim(name)
    files.give_up(name)
    assert due(files) == []
    folder = tmp_path / "commitments"
    (folder / "given-up" / name).rename(folder / "answers" / name)
    assert due(files) == [name]


def test_a_damaged_file_holds_up_no_other(files: CommitmentFiles, tmp_path: Path) -> None:
    name = files.ask(REQUEST)
    (tmp_path / "commitments" / "requests" / "damaged.json").write_text("{")
    assert files.requests() == [(name, REQUEST)]
    assert files.requests() == [(name, REQUEST)]


def test_a_report_of_a_destination_waits_for_the_registry(files: CommitmentFiles) -> None:
    files.keep_report(REPORT, ae_title="PACS")
    files.keep_report(REPORT, ae_title="PACS")
    found = list(files.reports())
    assert [(report, ae_title) for _, report, ae_title in found] == [(REPORT, "PACS")] * 2
    for file, _, _ in found:
        file.unlink()
    assert list(files.reports()) == []
