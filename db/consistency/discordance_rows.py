"""The write side of consistency checks: what a check found, beside what earlier ones did and what people said of it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.consistency.discordances import Check, Discordance, ReviewState, Severity, Side, SideKind, Told
from db.consistency.report_likenesses import record_likenesses
from db.tables.consistency import ConsistencyCheck, DiscordanceRow
from db.tables.runs import RunRow
from db.tables.studies import Study

Key = tuple[str, str, str]
"""Rule, field and the first side's source: what makes two findings of a study the same."""


def record_check(
    session: Session, *, study_id: int, run_uid: str, check: Check, at: datetime, is_told: bool = False
) -> int:
    """Write a check of a run, in place of its last one; the number of discordances that nobody has seen yet.

    `is_told`: the run's Structured Report is being built with it. What that says is written once.
    """
    session.execute(select(Study.id).where(Study.id == study_id).with_for_update())  # one check of a study at a time
    run_id = _run_id(session, run_uid)
    row = session.get(ConsistencyCheck, run_id)
    if row is None:
        row = ConsistencyCheck(run_id=run_id, study_id=study_id, told=None)
        session.add(row)
    row.checked_at, row.rules_version = at, check.rules_version
    row.reports, row.notes = list(check.reports), list(check.notes)
    if is_told and check.told is not None:
        row.told = asdict(check.told)
    record_likenesses(session, study_id=study_id, reports=check.reports, measured=check.likenesses)
    return _replace(session, study_id=study_id, run_id=run_id, found=check.discordances, at=at)


def _replace(session: Session, *, study_id: int, run_id: int, found: Sequence[Discordance], at: datetime) -> int:
    """Write what a check of this run found: the same again changes nothing. How many of these are new.

    What was found before and is not any more, or was of an earlier run, is superseded. What somebody has confirmed or
    dismissed stays so where the same rule finds the same two sides again.
    """
    of_study = select(DiscordanceRow).where(DiscordanceRow.study_id == study_id).order_by(DiscordanceRow.id)
    known = list(session.scalars(of_study))
    kept = set()
    count = 0
    for key, discordance in {_key(each): each for each in found}.items():
        same_run = next((row for row in known if row.run_id == run_id and _key_of(row) == key), None)
        row = same_run or DiscordanceRow(study_id=study_id, run_id=run_id, found_at=at, state=ReviewState.NEW)
        before = next((row for row in reversed(known) if _says(row, key, discordance) and row.reviewed_at), None)
        if same_run is not None and not _says(same_run, key, discordance):
            row.state, row.reviewed_at, row.reviewed_by, row.review_reason = ReviewState.NEW, None, None, None
        _fill(row, discordance)
        if row.reviewed_at is None and before is not None:
            row.state, row.reviewed_at = before.state, before.reviewed_at
            row.reviewed_by, row.review_reason = before.reviewed_by, before.review_reason
        session.add(row)
        kept.add(id(row))
        seen_before = any(_says(each, key, discordance) for each in known)
        count += row.state == ReviewState.NEW and not seen_before
    for row in known:
        if id(row) not in kept and row.superseded_at is None:
            row.superseded_at = at
    session.flush()
    return count


def told_of(session: Session, run_uid: str) -> Told | None:
    """What the Structured Report of a run says of its check; None where that says nothing."""
    row = session.get(ConsistencyCheck, _run_id(session, run_uid))
    if row is None or row.told is None:
        return None
    discordances = tuple(_discordance(each) for each in row.told["discordances"])
    told = row.told
    return Told(compared=told["compared"], questions=tuple(told["questions"]), discordances=discordances)


def discordance_of(row: DiscordanceRow) -> Discordance:
    """What a row holds, as it passes between the rooms."""
    facts = ("rule", "rules_version", "field", "severity", "confidence", "sides")
    return _discordance({name: getattr(row, name) for name in facts})


def _run_id(session: Session, run_uid: str) -> int:
    return session.scalars(select(RunRow.id).where(RunRow.run_uid == run_uid)).one()


def _fill(row: DiscordanceRow, discordance: Discordance) -> None:
    row.rule, row.field, row.report_id = _key(discordance)
    row.rules_version, row.severity = discordance.rules_version, discordance.severity
    row.confidence, row.sides = discordance.confidence, [asdict(side) for side in discordance.sides]
    row.superseded_at = None


def _key(discordance: Discordance) -> Key:
    return discordance.rule, discordance.field, discordance.sides[0].source


def _key_of(row: DiscordanceRow) -> Key:
    return row.rule, row.field, row.report_id


def _says(row: DiscordanceRow, key: Key, discordance: Discordance) -> bool:
    """Whether a row says the same of the same."""
    return _key_of(row) == key and [side["said"] for side in row.sides] == [side.said for side in discordance.sides]


def _discordance(facts: dict[str, Any]) -> Discordance:
    report, other = (_side(side) for side in facts["sides"])
    return Discordance(**{**facts, "severity": Severity(facts["severity"]), "sides": (report, other)})


def _side(facts: dict[str, Any]) -> Side:
    return Side(**{**facts, "kind": SideKind(facts["kind"]), "clips": tuple(facts["clips"])})
