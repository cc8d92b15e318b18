"""The read side of discordances, and what people say of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from config.errors import NotFoundError, RegistryError, StudyNotFoundError
from db.consistency.discordance_rows import discordance_of
from db.consistency.discordances import Discordance, ReviewState, Severity
from db.journal import record_act
from db.tables.consistency import DiscordanceReview, DiscordanceRow
from db.tables.runs import RunRow
from db.tables.studies import Study

LONGEST_NAME = 64
WORST_FIRST = (case((DiscordanceRow.severity == Severity.MAJOR, 0), else_=1), DiscordanceRow.id.desc())
"""... and of these the latest."""
WHAT_IT_IS = ("study_id", "rule", "field", "report_id")
"""Where these are the same, a later run has found the same discordance again."""


def is_open() -> ColumnElement[bool]:
    """Of a discordance: somebody is still to look at it. Written out, so that the index of these alone serves it."""
    return (DiscordanceRow.state == literal_column(f"'{ReviewState.NEW}'")) & DiscordanceRow.superseded_at.is_(None)


@dataclass(frozen=True, kw_only=True)
class ListedDiscordance:
    """One discordance with what has become of it."""

    id: int
    study_instance_uid: str
    found: Discordance
    found_at: datetime
    model: str
    """Name, version and label of the model of its run."""
    model_label: str
    """This label alone: how far the model may be trusted."""
    run_uid: str
    """Of that run; the study may have been scored again since."""
    state: ReviewState
    superseded_at: datetime | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    review_reason: str | None

    @property
    def is_open(self) -> bool:
        """Whether somebody is still to look at it."""
        return self.state is ReviewState.NEW and self.superseded_at is None


@dataclass(frozen=True, kw_only=True)
class Review:
    """What somebody said of a discordance."""

    at: datetime
    by: str
    state: ReviewState
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class RulePrecision:
    """How often a rule was right, as far as anybody has looked."""

    rule: str
    confirmed: int
    dismissed: int
    new: int
    """That nobody has looked at yet; superseded ones are not counted."""

    @property
    def precision(self) -> float | None:
        """Confirmed of all that were looked at; None where none was."""
        reviewed = self.confirmed + self.dismissed
        return self.confirmed / reviewed if reviewed else None


def list_discordances(
    session: Session, *, study_instance_uid: str | None = None, include_closed: bool = False, limit: int | None = None
) -> list[ListedDiscordance]:
    """Those that are open, or all; the worst first, and of these the latest.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    """
    query = listed()
    if study_instance_uid is not None:
        if session.scalar(select(Study.id).where(Study.study_instance_uid == study_instance_uid)) is None:
            raise StudyNotFoundError(f"study {study_instance_uid} is not in the registry")
        query = query.where(Study.study_instance_uid == study_instance_uid)
    if not include_closed:
        query = query.where(is_open())
    rows = session.execute(query.order_by(*WORST_FIRST).limit(limit)).all()
    return [listed_of(*row) for row in rows]


def discordances_of_study(session: Session, study_instance_uid: str) -> list[ListedDiscordance]:
    """What the last check of a study found, whatever people say of it, in the same order; empty of an unknown study."""
    found = listed().where(Study.study_instance_uid == study_instance_uid, DiscordanceRow.superseded_at.is_(None))
    return [listed_of(*row) for row in session.execute(found.order_by(*WORST_FIRST)).all()]


def discordance_page(
    session: Session, *, state: ReviewState | None, open_only: bool, before: int | None, limit: int
) -> list[ListedDiscordance]:
    """Those with a number below `before`, the latest first."""
    query = listed()
    if state is not None:
        query = query.where(DiscordanceRow.state == state)
    if open_only:
        query = query.where(is_open())
    if before is not None:
        query = query.where(DiscordanceRow.id < before)
    return [listed_of(*row) for row in session.execute(query.order_by(DiscordanceRow.id.desc()).limit(limit)).all()]


def discordance_detail(session: Session, discordance_id: int) -> ListedDiscordance:
    """One discordance.

    Raises
    ------
    RegistryError
        There is none of this number.
    """
    row = session.execute(listed().where(DiscordanceRow.id == discordance_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"no discordance has the number {discordance_id}: echoworker discordances lists them")
    return listed_of(*row)


def review_discordance(
    session: Session,
    discordance_id: int,
    *,
    state: ReviewState,
    by: str,
    reason: str | None,
    at: datetime,
    seen: ReviewState | None = None,
) -> None:
    """Say what somebody thinks of a discordance; a later word takes the place of an earlier one, which is kept.

    The journal of the study has each word with who said it; not the reason, which is for readers. `seen` is the state
    that whoever says it was shown; None: whatever it is.

    Raises
    ------
    RegistryError
        There is none of this number, nobody is named, it is dismissed without a reason, or somebody else has said
        something meanwhile.
    """
    name, why = by.strip(), (reason or "").strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise RegistryError(f"who says so? Give a name of 1 to {LONGEST_NAME} characters")
    if state is ReviewState.DISMISSED and not why:
        raise RegistryError("a discordance is dismissed for a reason: give one, without names of patients")
    row = session.get(DiscordanceRow, discordance_id, with_for_update=True)
    if row is None:
        raise NotFoundError(f"no discordance has the number {discordance_id}: echoworker discordances lists them")
    before = ReviewState(row.state)
    if seen not in (None, before):
        raise RegistryError(f"discordance {discordance_id} is {before} by {row.reviewed_by} meanwhile: look again")
    of_before = "" if row.reviewed_by is None else f"; before, {before} by {row.reviewed_by}"
    said = f"discordance {discordance_id} of rule {row.rule}: {state} by {name}{of_before}"
    record_act(session, session.get_one(Study, row.study_id), at=at, reason=said)
    row.state, row.reviewed_at, row.reviewed_by, row.review_reason = state, at, name, why or None
    session.add(
        DiscordanceReview(discordance_id=row.id, reviewed_at=at, reviewed_by=name, state=state, reason=why or None)
    )


def reviews_of(session: Session, discordance_ids: Collection[int]) -> dict[int, list[Review]]:
    """All that was said of these, the last word first; and, in earlier runs, of the same with the same two sides.

    A discordance of which nothing was said is left out.
    """
    earlier = aliased(DiscordanceRow)
    is_same = (getattr(earlier, name) == getattr(DiscordanceRow, name) for name in WHAT_IT_IS)
    said = (
        select(DiscordanceRow, earlier, DiscordanceReview)
        .join(earlier, and_(*is_same, earlier.id <= DiscordanceRow.id))
        .join(DiscordanceReview, DiscordanceReview.discordance_id == earlier.id)
        .where(DiscordanceRow.id.in_(discordance_ids))
        .order_by(DiscordanceReview.id.desc())
    )
    reviews: dict[int, list[Review]] = {}
    for row, of, word in session.execute(said):
        if _said(of) == _said(row):
            review = Review(at=word.reviewed_at, by=word.reviewed_by, state=ReviewState(word.state), reason=word.reason)
            reviews.setdefault(row.id, []).append(review)
    return reviews


def precision_by_rule(session: Session) -> list[RulePrecision]:
    """Of each rule that found anything; of a discordance that came again in a later run, the last word counts."""
    same = (getattr(DiscordanceRow, name) for name in WHAT_IT_IS)
    reviewed = DiscordanceRow.state != ReviewState.NEW
    last_word = select(func.max(DiscordanceRow.id)).where(reviewed).group_by(*same)
    of = DiscordanceRow
    confirmed = _count(session, of.state == ReviewState.CONFIRMED, of.id.in_(last_word))
    dismissed = _count(session, of.state == ReviewState.DISMISSED, of.id.in_(last_word))
    new = _count(session, is_open())
    return [
        RulePrecision(
            rule=rule,
            confirmed=confirmed.get(rule, 0),
            dismissed=dismissed.get(rule, 0),
            new=new.get(rule, 0),
        )
        for rule in sorted({*confirmed, *dismissed, *new})
    ]


def _said(row: DiscordanceRow) -> list[str]:
    return [side["said"] for side in row.sides]


def _count(session: Session, *which: ColumnElement[bool]) -> dict[str, int]:
    """By rule."""
    by_rule = select(DiscordanceRow.rule, func.count()).where(*which).group_by(DiscordanceRow.rule)
    return dict(session.execute(by_rule).all())


def listed() -> Select[DiscordanceRow, str, str, str, str, str]:
    """Discordances with their study and model, as `listed_of` takes a row of them."""
    return (
        select(
            DiscordanceRow,
            Study.study_instance_uid,
            RunRow.run_uid,
            RunRow.model_name,
            RunRow.model_version,
            RunRow.model_label,
        )
        .join(Study, Study.id == DiscordanceRow.study_id)
        .join(RunRow, RunRow.id == DiscordanceRow.run_id)
    )


def listed_of(row: DiscordanceRow, study: str, run_uid: str, *model: str) -> ListedDiscordance:
    """One row of `listed`."""
    name, version, label = model
    return ListedDiscordance(
        id=row.id,
        study_instance_uid=study,
        found=discordance_of(row),
        found_at=row.found_at,
        model=f"{name} {version} ({label})",
        model_label=label,
        run_uid=run_uid,
        state=ReviewState(row.state),
        superseded_at=row.superseded_at,
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by,
        review_reason=row.review_reason,
    )
