"""Storage commitment as files in the spool: none is lost, whichever process dies, and none needs the registry to wait.

    commitments/requests/     what senders ask of us: written by the receiving processes, judged by the intake
    commitments/answers/      judged, and to be reported
    commitments/sending/      taken out of answers/ by the process that reports it now
    commitments/given-up/     nobody took the report; moved back into answers/ by hand, it is tried again
    commitments/reports/      what destinations report on what we asked of them: for the registry

A file moves on by being written under its next name before it goes under this one. So a crash leaves it once or twice,
and a report goes out once or twice, never not at all.
"""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from config.whole_files import write_durably
from dicom_node.commitment.messages import CommitmentReport, Failure, Reference
from dicom_node.spool import Spool, ae_title_digest
from dicom_node.spool_notes import read_note, set_aside

GRACE_S = 5.0
"""So long, an answer is left to the process that has the asking association, which may still be open."""
CLAIM_LASTS = timedelta(minutes=5)
"""Reporting takes less; a process that claimed an answer longer ago has died."""


@dataclass(frozen=True, kw_only=True)
class CommitmentRequest:
    """What a sender asked of us."""

    transaction_uid: str
    references: tuple[Reference, ...]
    calling_ae_title: str
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class CommitmentAnswer:
    """What it is to be told."""

    report: CommitmentReport
    calling_ae_title: str
    asked_at: datetime
    attempts: int
    """How often it was told in vain."""
    next_attempt_at: datetime


class CommitmentFiles:
    """The folder `commitments/` of a spool; safe for several threads and processes at once."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        root = spool.commitments
        self._requests, self._answers, self._reports = root / "requests", root / "answers", root / "reports"
        self._sending, self._given_up = root / "sending", root / "given-up"

    def ask(self, request: CommitmentRequest) -> str:
        """Keep a request, durably; the name that its answer will have. The same once more is answered once more.

        Raises
        ------
        OSError
            The disk is full or failed.
        """
        # Another sender's transaction of the same UID is another one.
        name = f"{request.transaction_uid}_{ae_title_digest(request.calling_ae_title)}.json"
        content = {
            "transaction_uid": request.transaction_uid,
            "references": request.references,
            "calling_ae_title": request.calling_ae_title,
            "asked_at": request.asked_at.isoformat(),
        }
        write_durably(self._requests / name, json.dumps(content).encode())
        return name

    def requests(self) -> list[tuple[str, CommitmentRequest]]:
        """What waits to be judged, by name."""
        waiting = []
        for file in self._requests.glob("*.json"):
            request = read_note(self._spool, file, _request)
            if request is not None:
                waiting.append((file.name, request))
        return waiting

    def open_references(self) -> set[str]:
        """The SOP Instance UIDs that senders have asked about, and have not been told of so far."""
        # In the order in which a file moves on, and the answers once more: it may have been put back meanwhile.
        asked = {reference.sop_instance_uid for _, request in self.requests() for reference in request.references}
        for folder in (self._answers, self._sending, self._answers):
            for file in folder.glob("*.json"):
                answer = read_note(self._spool, file, _answer)
                if answer is not None:
                    asked |= {reference.sop_instance_uid for reference in answer.report.committed}
        return asked

    def set_request_aside(self, name: str, error: Exception) -> None:
        """A request that cannot be judged is in nobody's way."""
        set_aside(self._spool, self._requests / name, error)

    def answer(self, name: str, request: CommitmentRequest, report: CommitmentReport, *, now: datetime) -> None:
        """Put the answer to a request where it is reported from."""
        answer = CommitmentAnswer(
            report=report,
            calling_ae_title=request.calling_ae_title,
            asked_at=request.asked_at,
            attempts=0,
            next_attempt_at=now + timedelta(seconds=GRACE_S),
        )
        self._write(name, answer)
        (self._requests / name).unlink(missing_ok=True)

    def due_answers(self, *, now: datetime) -> list[tuple[str, CommitmentAnswer]]:
        """What may be reported now, by name: what failed least often first."""
        self._take_back_lost_claims(now)
        found = [(file.name, read_note(self._spool, file, _answer)) for file in self._answers.glob("*.json")]
        due = [(name, answer) for name, answer in found if answer is not None and answer.next_attempt_at <= now]
        return sorted(due, key=lambda pair: (pair[1].attempts, pair[1].asked_at))

    def claim(self, name: str) -> CommitmentAnswer | None:
        """Take an answer in order to report it; None when it is not there (yet), or another process was first."""
        claimed = self._sending / name
        claimed.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.utime(self._answers / name)  # the claim's age
            (self._answers / name).rename(claimed)
        except FileNotFoundError:
            return None
        return read_note(self._spool, claimed, _answer)

    def reported(self, name: str) -> None:
        """The sender has taken the report."""
        (self._sending / name).unlink(missing_ok=True)

    def put_back(self, name: str, answer: CommitmentAnswer, *, next_attempt_at: datetime) -> None:
        """The sender has not taken it: it is told again from then on."""
        if not (self._answers / name).exists():  # else the sender has asked again meanwhile
            self._write(name, replace(answer, attempts=answer.attempts + 1, next_attempt_at=next_attempt_at))
        (self._sending / name).unlink(missing_ok=True)

    def give_up(self, name: str) -> None:
        """Nobody will ever take it: kept aside."""
        self._given_up.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            (self._sending / name).rename(self._given_up / name)

    def keep_report(self, report: CommitmentReport, *, ae_title: str) -> None:
        """Keep, durably, what a destination reports on a transaction of ours, and its AE title.

        Raises
        ------
        OSError
            The disk is full or failed.
        """
        content = {"report": vars(report), "ae_title": ae_title}
        write_durably(self._reports / f"{uuid.uuid4().hex}.json", json.dumps(content).encode())

    def reports(self) -> Iterator[tuple[Path, CommitmentReport, str]]:
        """What destinations have reported, with their AE titles; remove each file once the registry has it."""
        for file in self._reports.glob("*.json"):
            said = read_note(self._spool, file, lambda said: (_report(said["report"]), str(said["ae_title"])))
            if said is not None:
                yield file, *said

    def set_report_aside(self, file: Path, error: Exception) -> None:
        """A report that cannot be applied is in nobody's way."""
        set_aside(self._spool, file, error)

    def _write(self, name: str, answer: CommitmentAnswer) -> None:
        content = vars(answer) | {
            "report": vars(answer.report),
            "asked_at": answer.asked_at.isoformat(),
            "next_attempt_at": answer.next_attempt_at.isoformat(),
        }
        write_durably(self._answers / name, json.dumps(content).encode())

    def _take_back_lost_claims(self, now: datetime) -> None:
        for claimed in self._sending.glob("*.json"):
            with suppress(FileNotFoundError):  # it has just been reported
                if claimed.stat().st_mtime < (now - CLAIM_LASTS).timestamp():
                    claimed.rename(self._answers / claimed.name)


def _request(said: dict[str, Any]) -> CommitmentRequest:
    return CommitmentRequest(
        transaction_uid=str(said["transaction_uid"]),
        references=tuple(_reference(*item) for item in said["references"]),
        calling_ae_title=str(said["calling_ae_title"]),
        asked_at=datetime.fromisoformat(said["asked_at"]),
    )


def _answer(said: dict[str, Any]) -> CommitmentAnswer:
    return CommitmentAnswer(
        report=_report(said["report"]),
        calling_ae_title=str(said["calling_ae_title"]),
        asked_at=datetime.fromisoformat(said["asked_at"]),
        attempts=int(said["attempts"]),
        next_attempt_at=datetime.fromisoformat(said["next_attempt_at"]),
    )


def _report(said: dict[str, Any]) -> CommitmentReport:
    return CommitmentReport(
        transaction_uid=str(said["transaction_uid"]),
        committed=tuple(_reference(*item) for item in said["committed"]),
        failed=tuple(Failure(*_reference(*item), int(reason)) for *item, reason in said["failed"]),
    )


def _reference(sop_class_uid: object, sop_instance_uid: object) -> Reference:
    return Reference(str(sop_class_uid), str(sop_instance_uid))
