"""How well the texts of reports fit their studies: each number kept, and where among the others it stands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import case, delete, func, select
from sqlalchemy.orm import Session

from db.consistency.discordances import Likeness
from db.tables.consistency import ReportLikeness


@dataclass(frozen=True, kw_only=True)
class AmongOthers:
    """Where a number stands among those of the pairs of text and images of other studies."""

    pairs: int
    worse: int
    """Of these, how many fit worse."""


def likenesses_of(session: Session, study_id: int) -> dict[str, Likeness]:
    """What is known of a study, by the id of the report."""
    rows = session.scalars(select(ReportLikeness).where(ReportLikeness.study_id == study_id))
    return {
        row.report_id: Likeness(
            towers=row.towers,
            preprocessing_profile=row.preprocessing_profile,
            made_from=row.made_from,
            likeness=row.likeness,
        )
        for row in rows
    }


def record_likenesses(
    session: Session, *, study_id: int, reports: Collection[str], measured: Mapping[str, Likeness]
) -> None:
    """Write what was measured of a study; what is known of others than these reports is none of it any more."""
    gone = ReportLikeness.report_id.not_in(list(reports))
    session.execute(delete(ReportLikeness).where(ReportLikeness.study_id == study_id, gone))
    for report_id, likeness in measured.items():
        session.merge(ReportLikeness(study_id=study_id, report_id=report_id, **vars(likeness)))


def among_others(session: Session, likeness: Likeness, *, besides: int) -> AmongOthers:
    """Compare a number with those of all studies but one."""
    worse = case((ReportLikeness.likeness < likeness.likeness, 1), else_=0)
    query = select(func.count(), func.coalesce(func.sum(worse), 0)).where(
        ReportLikeness.towers == likeness.towers,
        ReportLikeness.preprocessing_profile == likeness.preprocessing_profile,
        ReportLikeness.study_id != besides,
    )
    pairs, less = session.execute(query).one()
    return AmongOthers(pairs=pairs, worse=less)
