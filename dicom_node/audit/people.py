"""What people with an account do on our pages, as events of PS3.15 section A.5.3."""

from dicom_node.audit.events import (
    INSTANCES_ACCESSED,
    NODE_ID,
    QUERY,
    SECURITY_ALERT,
    StudyInstances,
    outcome_of,
    study_and_patient,
)
from dicom_node.audit.message import Action, AuditMessage, Code, ParticipantObject, Role, User

USER_AUTHENTICATION = Code("110114", "User Authentication")
LOGIN = Code("110122", "Login")
LOGOUT = Code("110123", "Logout")
USER_ATTRIBUTES_CHANGED = Code("110137", "User Security Attributes Changed")
"""PS3.16 CID 403."""
URI = Code("12", "URI", "RFC-3881")
"""PS3.15 section A.5.1.2.4."""


def instances_viewed(user: User, instances: StudyInstances) -> AuditMessage:
    """DICOM Instances Accessed (A.5.3.6): somebody saw pictures, identity or reports of a study on our pages."""
    return AuditMessage(
        event=INSTANCES_ACCESSED,
        action=Action.READ,
        own_role=None,
        we_requested=False,
        users=(user,),
        objects=study_and_patient(instances),
    )


def patients_searched(user: User, *, what: str) -> AuditMessage:
    """Query (A.5.3.10): somebody was shown a list of ours that names patients; `what`: which, without PHI."""
    asked = ParticipantObject(id=what, id_type=NODE_ID, type_code=2, role=3)
    return AuditMessage(
        event=QUERY,
        action=Action.EXECUTE,
        own_role=Role.DESTINATION,
        we_requested=False,
        users=(user,),
        objects=(asked,),
    )


def user_signed_in(user: User, *, failure: str = "") -> AuditMessage:
    """User Authentication (A.5.3.12): somebody signed in, or could not; `failure`: why, without PHI."""
    return AuditMessage(
        event=USER_AUTHENTICATION,
        event_type=LOGIN,
        action=Action.EXECUTE,
        outcome=outcome_of(failure),
        outcome_description=failure,
        own_role=None,
        we_requested=False,
        users=(user,),
    )


def user_signed_out(user: User) -> AuditMessage:
    """User Authentication (A.5.3.12): somebody signed out."""
    return AuditMessage(
        event=USER_AUTHENTICATION,
        event_type=LOGOUT,
        action=Action.EXECUTE,
        own_role=None,
        we_requested=False,
        users=(user,),
    )


def user_attributes_changed(user: User, *, account: str, change: str) -> AuditMessage:
    """Security Alert (A.5.3.11): somebody changed what an account may do, or how it signs in.

    `change`: in a few words, without the password or the token.
    """
    changed = ParticipantObject(
        id=f"accounts/{account}",
        id_type=URI,
        type_code=2,
        role=13,
        details=(("Alert Description", change.encode()),),
    )
    return AuditMessage(
        event=SECURITY_ALERT,
        event_type=USER_ATTRIBUTES_CHANGED,
        action=Action.EXECUTE,
        own_role=None,
        we_requested=False,
        users=(user,),
        objects=(changed,),
    )
