"""All that the page of one study shows, read in one go."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from config.catalogue import Catalogue
from config.clinical_tasks import RegressionTask
from config.errors import StudyNotFoundError
from config.labels import ModelLabel
from config.sections.report_objects import ReportObject
from dashboard.installation import Installation
from dashboard.study.answers import Group, groups_of
from dashboard.study.clips import ListedClip, listed_clips
from dashboard.study.disagreements import ShownDiscordance, StudyText, shown_discordances, study_text
from dashboard.study.objects import HeatMap, MadeObject, ReportTree, heat_maps, made_objects, report_tree
from dashboard.study.trend import Trend, trend_of
from db.consistency.discordance_review import discordances_of_study, reviews_of
from db.delivery.dead_letters import answers_to
from db.lifecycle.received import Identity
from db.lifecycle.studies import identity_of
from db.reading.priors import earlier_values
from db.reading.queries import StudyDetail, study_detail
from db.results.runs import Run, Verdict
from dicom_node.report.wording import LIMITS_OF_USE
from dicom_node.spool import Spool
from worker.catalogues import catalogue_if_kept


@dataclass(frozen=True, kw_only=True)
class StudyContent:
    """What anybody who is signed in may see."""

    detail: StudyDetail
    groups: Sequence[Group]
    limits: str
    """What the answers may be taken for; "" where a site takes them as clinical."""
    has_catalogue: bool
    clips: Sequence[ListedClip]
    discordances: Sequence[ShownDiscordance]
    objects: Sequence[MadeObject]


@dataclass(frozen=True, kw_only=True)
class PatientContent:
    """What readers see beside it. PHI."""

    identity: Identity | None = field(repr=False)
    trends: Sequence[Trend] = field(repr=False)
    heat_maps: Sequence[HeatMap] = field(repr=False)
    tree: ReportTree | str | None = field(repr=False)
    """Or why it cannot be shown; None where there is no report yet."""
    text: StudyText | None = field(repr=False)
    """The reports of others; None where there is none."""


def study_content(
    here: Installation, uid: str, *, for_reader: bool, is_refresh: bool = False
) -> tuple[StudyContent, PatientContent | None]:
    """All that is shown of a study; what is of the patient only `for_reader`. `is_refresh`: only parts that refresh
    themselves are looked at, and no file is read for the others.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    """
    spool = Spool.of(here.settings)
    with here.database.read() as session:
        detail = study_detail(session, uid)
        current = discordances_of_study(session, uid)
        reviews = reviews_of(session, [one.id for one in current]) if for_reader else {}
        answers = answers_to(session, [one.id for made in detail.objects for one in made.deliveries])
        identity = _identity(session, uid) if for_reader else None
    # Of an older run it may have to be fetched out of the bucket: no transaction waits for that.
    catalogue = catalogue_if_kept(spool, detail.run, here.catalogue)
    trends: Sequence[Trend] = ()
    if identity and not is_refresh:
        with here.database.read() as session:
            trends = _trends(session, detail, catalogue, identity)
    text = study_text(here.database, spool, detail.study.id) if for_reader and not is_refresh else None
    content = StudyContent(
        detail=detail,
        groups=[] if detail.run is None else groups_of(detail.run, catalogue),
        limits=_limits(detail.run),
        has_catalogue=catalogue is not None,
        clips=listed_clips(detail, catalogue),
        discordances=shown_discordances(
            current,
            catalogue or here.catalogue,
            run_uid=detail.run.run_uid if detail.run else None,
            for_reader=for_reader,
            text=text,
            reviews=reviews,
        ),
        objects=made_objects(detail.objects, answers),
    )
    if not for_reader:
        return content, None
    if is_refresh:
        return content, PatientContent(identity=identity, trends=(), heat_maps=(), tree=None, text=None)
    report = next((made for made in detail.objects if made.kind == ReportObject.SR), None)
    return content, PatientContent(
        identity=identity,
        trends=trends,
        heat_maps=heat_maps(spool, detail.objects),
        tree=None if report is None else report_tree(spool, report),
        text=text,
    )


def _identity(session: Session, uid: str) -> Identity | None:
    with suppress(StudyNotFoundError):
        return identity_of(session, uid)
    return None


def _limits(run: Run | None) -> str:
    return "" if run is None or run.model.label is ModelLabel.CLINICAL else LIMITS_OF_USE[run.model.label]


def _trends(session: Session, detail: StudyDetail, catalogue: Catalogue | None, identity: Identity) -> list[Trend]:
    """Of each measurement that earlier studies of the patient have, too."""
    run = detail.run
    if run is None or catalogue is None:
        return []
    drawn = []
    for result in run.results:
        task = catalogue.task(result.task_id)
        if result.verdict is not Verdict.MEASURED or result.value is None or not isinstance(task, RegressionTask):
            continue
        earlier = earlier_values(
            session, study_id=detail.study.id, task_id=task.id, model=run.model, until=run.finished_at
        )
        drawn.append(
            trend_of(
                task.name,
                "%" if task.unit.value == "%" else task.unit.meaning,
                earlier,
                study_date=identity.study_date or "",
                value=result.value,
                study_instance_uid=detail.study.study_instance_uid,
            )
        )
    return [trend for trend in drawn if trend is not None]
