"""Every look at a patient, and every signing in, is in the audit trail (PS3.15 section A.5.3), with the account."""

import hashlib
from datetime import timedelta

from fastapi import Request

from dashboard.access.people import LIVE_HEADER, Person
from dashboard.installation import Installation
from dicom_node.audit.events import StudyInstances
from dicom_node.audit.message import User
from dicom_node.audit.people import (
    instances_viewed,
    patients_searched,
    user_attributes_changed,
    user_signed_in,
    user_signed_out,
)

REFRESHED = timedelta(minutes=1)
"""How often a page is written down that lies open and refreshes itself."""
ONE_LOOK = timedelta(minutes=30)
"""The frames of a clip are asked for one by one: within this time they are one look."""


def is_to_be_told(here: Installation, request: Request, person: Person, what: str) -> bool:
    """Whether a page that shows patients is to be written down: whenever somebody asks for it, and of one that
    refreshes itself once in `REFRESHED`. `what` tells pages apart, and so does what is asked for in the address, of
    which a digest is remembered: another search is another look, whoever says that it is a refresh."""
    asked = hashlib.sha256(request.url.query.encode()).hexdigest()
    is_first = here.recently.is_new(person.account.sign_in_id, f"{what} {asked}", now=here.now(), within=REFRESHED)
    return is_first or LIVE_HEADER not in request.headers


def clip_viewed(
    here: Installation,
    person: Person,
    study_instance_uid: str,
    *,
    patient_id: str | None,
    sop_class_uid: str,
    clip: str,
) -> None:
    """This person sees frames of an instance of a study (`clip`, its SOP Instance UID): one message for all of them."""
    if here.recently.is_new(person.account.sign_in_id, f"clip {clip}", now=here.now(), within=ONE_LOOK):
        one = StudyInstances(
            study_instance_uid=study_instance_uid, patient_id=patient_id, sop_classes={sop_class_uid: 1}
        )
        here.trail.record(instances_viewed(user(person), one))


def viewed(here: Installation, person: Person, study_instance_uid: str, *, patient_id: str | None) -> None:
    """This person sees pictures, identity or reports of a study."""
    instances = StudyInstances(study_instance_uid=study_instance_uid, patient_id=patient_id, sop_classes={})
    here.trail.record(instances_viewed(user(person), instances))


def searched(here: Installation, person: Person, *, what: str) -> None:
    """This person was shown a list that names patients; `what`: which list, without what was searched for."""
    here.trail.record(patients_searched(user(person), what=what))


def signed_in(here: Installation, name: str, address: str, *, failure: str = "") -> None:
    """Somebody signed in, or could not."""
    here.trail.record(user_signed_in(User(name=name, address=address), failure=failure))


def signed_out(here: Installation, person: Person) -> None:
    """This person signed out."""
    here.trail.record(user_signed_out(user(person)))


def own_password_changed(here: Installation, person: Person) -> None:
    """This person changed their own password; what admins do is in `dashboard.access.accounts`."""
    here.trail.record(user_attributes_changed(user(person), account=person.name, change="own password changed"))


def user(person: Person) -> User:
    """This person, as the trail names whoever took part."""
    return User(name=person.name, address=person.address)
