"""A study's life, as a table.

RECEIVING ──quiet──> READY ──prepare──> PREPARED ──score──> SCORED ──report──> REPORTED ──deliver──> DELIVERED
                       │                          └──score: no clip shows a heart──> SKIPPED
                       └──prepare: no usable clip──> SKIPPED
PREPARED ──score: neither frames nor embeddings are left──> READY
READY, PREPARED, SCORED ──attempts used up──> FAILED ──requeue──> where it failed
REPORTED, DELIVERED, FAILED (deliver) ──a report that came says otherwise──> SCORED, as a run with the same results
REPORTED ──a destination refuses an object for good──> FAILED ──deliveries resend, requeue──> REPORTED
every state ──late instance──> RECEIVING, as the next revision
"""

from dataclasses import dataclass
from enum import StrEnum

from config.steps import Step


class StudyState(StrEnum):
    """Where a study is on its way."""

    RECEIVING = "RECEIVING"
    READY = "READY"
    PREPARED = "PREPARED"
    SCORED = "SCORED"
    REPORTED = "REPORTED"
    """Its report lies in the spool. With no destination that takes it, the study stays here."""
    DELIVERED = "DELIVERED"
    SKIPPED = "SKIPPED"
    """Nothing in it can be scored; the reason says why. No report is made: a study of liver or vessels that came to us
    is no echocardiography, and must not get a report that is called one."""
    FAILED = "FAILED"
    """A step failed for good; the reason says why, and `requeue` sets the study back before that step."""


class DeliveryState(StrEnum):
    """Where one object is on its way to one destination."""

    DUE = "DUE"
    SENT = "SENT"
    """The destination has accepted it, and is asked to commit to keeping it (PS3.4 annex J)."""
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    """The destination has refused it too often, or it cannot be sent as it is: it waits for somebody to look at it."""
    CANCELLED = "CANCELLED"
    """The destination is configured no more, or does not take such results any more; or a later run replaced it."""


class BatchKind(StrEnum):
    """What a batch of re-scoring is for."""

    RESCORE = "rescore"
    """Answers that may become current."""
    SHADOW = "shadow"
    """A second model beside the one that scores: never current, never delivered."""


class BatchState(StrEnum):
    """Where a batch of re-scoring is (db.rescoring.batches)."""

    SAMPLING = "SAMPLING"
    """The canary is being answered."""
    CANARY = "CANARY"
    """The canary is answered: somebody looks at it, and has the others answered or not."""
    RUNNING = "RUNNING"
    SCORED = "SCORED"
    """All are answered, and what changes is written down: somebody decides."""
    ADOPTING = "ADOPTING"
    """The new answers are becoming current."""
    ADOPTED = "ADOPTED"
    DISCARDED = "DISCARDED"


class RescoredState(StrEnum):
    """What became of a study in a batch."""

    DUE = "DUE"
    READING = "READING"
    """DUE, and its pixels are being read: whose reader never comes back, however often it is tried, that FAILED."""
    SCORED = "SCORED"
    """It has a new run, which is not current."""
    CANNOT = "CANNOT"
    """Neither embeddings of this model nor pixels are there."""
    PASSED_OVER = "PASSED_OVER"
    """It was on its way: what scores today answers it anyhow."""
    FAILED = "FAILED"
    ADOPTED = "ADOPTED"
    """The new run is, or was, current."""
    LEFT = "LEFT"
    """The new run was not adopted; the reason says why."""


STILL_TO_ANSWER = (RescoredState.DUE, RescoredState.READING)


@dataclass(frozen=True, kw_only=True)
class Transition:
    """What a step takes a study from and to."""

    before: StudyState
    after: StudyState
    may_skip: bool = False


TRANSITIONS: dict[Step, Transition] = {
    Step.PREPARE: Transition(before=StudyState.READY, after=StudyState.PREPARED, may_skip=True),
    Step.SCORE: Transition(before=StudyState.PREPARED, after=StudyState.SCORED, may_skip=True),
    Step.REPORT: Transition(before=StudyState.SCORED, after=StudyState.REPORTED),
    Step.DELIVER: Transition(before=StudyState.REPORTED, after=StudyState.DELIVERED),
}


@dataclass(frozen=True, kw_only=True)
class Back:
    """Why a step sends its study back to an earlier one, which alone can make what it lacks."""

    step: Step
    reason: str


LEASED_STEPS = (Step.PREPARE, Step.SCORE, Step.REPORT)
"""Done study by study, under a lease on the study (db.working.leases). What is to be delivered is due for its
destinations, and done destination by destination (db.delivery.delivering): the answer to the last of them moves the
study on."""

STEP_DUE_IN: dict[StudyState, Step] = {transition.before: step for step, transition in TRANSITIONS.items()}
"""The step that a study in this state waits for; other states wait for nothing, or for an instance."""


_OF_STEPS: dict[StudyState, frozenset[StudyState]] = {
    # The state itself: an attempt that failed, or had nothing to do.
    step.before: frozenset(
        {step.before, step.after, StudyState.FAILED} | ({StudyState.SKIPPED} if step.may_skip else set())
    )
    for step in TRANSITIONS.values()
}
AT_REST = (StudyState.DELIVERED, StudyState.REPORTED, StudyState.SKIPPED)
"""Nothing is to be done with a study but, while REPORTED, to deliver what was made of it."""
ALLOWED: dict[StudyState | None, frozenset[StudyState]] = {
    None: frozenset({StudyState.RECEIVING}),
    StudyState.RECEIVING: frozenset({StudyState.READY}),
} | {
    # A late instance, and requeueing or resending by hand, are possible from wherever a study is. Of one at rest the
    # state itself: the answers of a re-scoring have become current, and no report goes out.
    state: frozenset({StudyState.RECEIVING, *STEP_DUE_IN})
    | _OF_STEPS.get(state, frozenset())
    | ({state} & set(AT_REST))
    for state in StudyState
    if state is not StudyState.RECEIVING
}
"""What may follow a state; None: a study that is new. Whoever moves a study writes it into the journal, which looks
here (db.journal)."""


def state_after(step: Step, *, skipped: bool = False) -> StudyState:
    """The state that a step ends in.

    Raises
    ------
    ValueError
        The step cannot skip a study.
    """
    transition = TRANSITIONS[step]
    if not skipped:
        return transition.after
    if not transition.may_skip:
        raise ValueError(f"step {step} cannot skip a study")
    return StudyState.SKIPPED
