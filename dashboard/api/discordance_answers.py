"""What the API says of discordances: what reports say is in it, so it is for readers alone."""

from datetime import datetime

from pydantic import Field

from dashboard.api.answers import Answer


class Side(Answer):
    """One of the two that do not agree."""

    kind: str
    """measurement-report, text-report, images or earlier-study."""
    source: str
    """model, the id of a report, or the Study Instance UID of an earlier study."""
    said: str
    """In a few words."""
    start: int | None
    """The first character of the report that says it, counted from 0; null where nothing says it."""
    end: int | None
    """One past its last character."""
    clips: list[str]
    """Of the model: the SOP Instance UIDs that its answer comes from."""


class Discordance(Answer):
    """Something that reports and images of a study, or its reports, do not agree on."""

    id: int = Field(ge=1)
    study_instance_uid: str
    rule: str
    """The id of the rule that found it."""
    rules_version: str
    field: str
    """What it is about: the id of a task, or of what only reports name."""
    severity: str
    """MAJOR: it may change what is done for the patient; or MINOR."""
    confidence: float | None = Field(ge=0, le=1)
    """Null between reports."""
    sides: list[Side]
    """The report first, then what it is compared with."""
    found_at: datetime
    """When a check first found it, of this run; UTC."""
    model: str
    """Name, version and label of the model of its run."""
    model_label: str
    """That label alone: what answers of the model may be used for."""
    run_uid: str
    """Of its run; the study may have been scored again since."""
    state: str
    """NEW, CONFIRMED or DISMISSED."""
    superseded_at: datetime | None
    """When a later check did not find it any more, or found it for a later run; UTC."""
    reviewed_at: datetime | None
    """When somebody last said what they think of it; UTC."""
    reviewed_by: str | None
    """Who did."""
    review_reason: str | None
    """What they said."""
