"""Studies by the API: a list to go through page by page, and all about one."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from config.sections.dashboard import AccountRole
from dashboard.access import trail
from dashboard.access.people import Person, Viewer
from dashboard.access.refusals import NotAllowedError
from dashboard.api import cursors
from dashboard.api.answers import AtMost, Name, StudyUID, refusals
from dashboard.api.study_answers import Identity, Study, StudyPage, StudySummary
from dashboard.installation import Here
from db.consistency.discordance_review import discordances_of_study
from db.reading.queries import study_detail
from db.reading.study_json import study_facts
from db.reading.study_pages import StudyFilter, study_page
from db.states import StudyState
from dicom_node.spool import Spool
from worker.catalogues import catalogue_if_kept

router = APIRouter(prefix="/studies", tags=["studies"])
WithIdentity = Annotated[
    bool, Query(description="With whose study it is: takes the role reader, and is written to the audit trail.")
]


@dataclass(frozen=True)
class _Patient:
    """What studies of a patient are asked for by: it takes the role reader."""

    patient_id: Annotated[Name | None, Query(description="Patient ID, as the images have it; for readers.")] = None
    accession_number: Annotated[Name | None, Query(description="As the images have it; for readers.")] = None


@router.get("", responses=refusals())
def list_of_studies(
    here: Here,
    person: Viewer,
    patient: Annotated[_Patient, Depends()],
    state: Annotated[StudyState | None, Query(description="In this state alone.")] = None,
    since: Annotated[date | None, Query(description="Last instance on this day (UTC) or later.")] = None,
    until: Annotated[date | None, Query(description="... on this day (UTC) or before.")] = None,
    identity: WithIdentity = False,
    limit: AtMost = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")] = None,
) -> StudyPage:
    """Studies, the latest instance first. A study that gets an instance meanwhile moves to the front."""
    names_somebody = identity or patient.patient_id is not None or patient.accession_number is not None
    if names_somebody:
        _require_reader(person)
    wanted = StudyFilter(
        state=state,
        since=None if since is None else datetime.combine(since, time.min, UTC),
        until=None if until is None else datetime.combine(until, time.max, UTC),
        patient_id=patient.patient_id,
        accession_number=patient.accession_number,
    )
    with here.database.read() as session:
        page = study_page(session, wanted, limit=limit, after=cursors.read(cursor))
    if names_somebody:
        trail.searched(here, person, what="studies, by the API")
    return StudyPage(
        studies=[
            StudySummary.model_validate(study).model_copy(
                update={"identity": Identity.model_validate(whose) if identity and whose else None}
            )
            for study, whose in zip(page.studies, page.identities, strict=True)
        ],
        next_cursor=cursors.written(page.ends_at),
    )


@router.get("/{study_instance_uid}", responses=refusals(404))
def one_study(here: Here, person: Viewer, study_instance_uid: StudyUID, identity: WithIdentity = False) -> Study:
    """All about one study: instances, results with provenance, discordances, reports, deliveries, timeline."""
    if identity:
        _require_reader(person)
    with here.database.read() as session:
        detail = study_detail(session, study_instance_uid)
        found = discordances_of_study(session, study_instance_uid)
        whose = detail.study.identity
    catalogue = catalogue_if_kept(Spool.of(here.settings), detail.run, here.catalogue)
    facts = study_facts(detail, catalogue, found)
    if not person.sees_patients:
        facts["discordances"] = None
    if not person.operates:
        facts["journal"] = [{**entry, "traceback": None} for entry in facts["journal"]]
    if identity or (person.sees_patients and found):
        patient_id = whose.patient_id if whose else None
        trail.viewed(here, person, study_instance_uid, patient_id=patient_id)
    study = Study.model_validate(facts)
    return study.model_copy(update={"identity": Identity.model_validate(whose) if identity and whose else None})


def _require_reader(person: Person) -> None:
    if not person.sees_patients:
        raise NotAllowedError(AccountRole.READER)
