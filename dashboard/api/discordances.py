"""Discordances by the API: for readers, as what reports say is in them; each look is in the audit trail."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from dashboard.access import trail
from dashboard.access.people import Reader
from dashboard.api.acting import ReaderActs
from dashboard.api.answers import Answer, Asked, AtMost, Words, refusals
from dashboard.api.discordance_answers import Discordance
from dashboard.installation import Here
from dashboard.parameters import Number
from db.consistency.discordance_review import (
    discordance_detail,
    discordance_page,
    precision_by_rule,
    review_discordance,
    reviews_of,
)
from db.consistency.discordances import ReviewState
from db.reading.study_json import discordance_facts

router = APIRouter(prefix="/discordances", tags=["discordances"])


class DiscordancePage(Answer):
    """Some discordances, the latest first."""

    discordances: list[Discordance]
    next_before: int | None
    """To be given as `before` for those that follow; null: there are none."""


class Review(Asked):
    """What somebody who looked at both sides thinks of it."""

    state: Literal[ReviewState.CONFIRMED, ReviewState.DISMISSED]
    """CONFIRMED: the two do not agree, whichever is right. DISMISSED: they do, or the rule was wrong."""
    reason: Words = ""
    """What was found, without names of patients; needed where it is dismissed."""
    seen: ReviewState | None = None
    """The state that it was shown in; refused with 409 where somebody has said something meanwhile. Null: whatever it
    is."""


class SaidReview(Answer):
    """What somebody said of a discordance."""

    at: datetime
    """UTC."""
    by: str
    state: ReviewState
    """CONFIRMED or DISMISSED."""
    reason: str | None


class RulePrecision(Answer):
    """How often a rule was right, as far as anybody has looked."""

    rule: str
    confirmed: int = Field(ge=0)
    dismissed: int = Field(ge=0)
    new: int = Field(ge=0)
    """That nobody has looked at yet."""
    precision: float | None = Field(ge=0, le=1)
    """Confirmed of all that were looked at; null where none was."""


@router.get("", responses=refusals())
def list_of_discordances(
    here: Here,
    person: Reader,
    state: Annotated[ReviewState | None, Query(description="With this said of them.")] = None,
    open_only: Annotated[bool, Query(alias="open", description="That somebody is still to look at.")] = False,
    before: Annotated[int | None, Query(ge=1, lt=2**31, description="next_before of the page before.")] = None,
    limit: AtMost = 50,
) -> DiscordancePage:
    """Where reports and images do not agree, the latest first."""
    with here.database.read() as session:
        listed = discordance_page(session, state=state, open_only=open_only, before=before, limit=limit + 1)
    found, more = listed[:limit], listed[limit:]
    trail.searched(here, person, what="discordances, by the API")
    discordances = [Discordance.model_validate(discordance_facts(one)) for one in found]
    return DiscordancePage(discordances=discordances, next_before=found[-1].id if more else None)


@router.get("/precision", responses=refusals())
def precision_of_rules(here: Here, person: Reader) -> list[RulePrecision]:
    """How often each rule was right."""
    with here.database.read() as session:
        return [RulePrecision.model_validate(rule) for rule in precision_by_rule(session)]


@router.get("/{number}", responses=refusals(404))
def one_discordance(here: Here, person: Reader, number: Number) -> Discordance:
    """One of them."""
    with here.database.read() as session:
        found = discordance_detail(session, number)
    trail.viewed(here, person, found.study_instance_uid, patient_id=None)
    return Discordance.model_validate(discordance_facts(found))


@router.get("/{number}/reviews", responses=refusals(404))
def reviews_of_discordance(here: Here, person: Reader, number: Number) -> list[SaidReview]:
    """All that was said of it, the last word first; and, in earlier runs, of the same with the same two sides."""
    with here.database.read() as session:
        found = discordance_detail(session, number)
        reviews = reviews_of(session, [number]).get(number, [])
    trail.viewed(here, person, found.study_instance_uid, patient_id=None)
    return [SaidReview.model_validate(review) for review in reviews]


@router.post("/{number}/review", responses=refusals(404, 409))
def review(here: Here, person: ReaderActs, number: Number, review: Review) -> Discordance:
    """Say what you think of it; a later word takes the place of an earlier one."""
    with here.database.write() as session:
        review_discordance(
            session,
            number,
            state=review.state,
            by=person.name,
            reason=review.reason,
            at=here.now(),
            seen=review.seen,
        )
        found = discordance_detail(session, number)
    trail.viewed(here, person, found.study_instance_uid, patient_id=None)
    return Discordance.model_validate(discordance_facts(found))
