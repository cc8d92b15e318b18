"""What the API says of studies."""

from datetime import datetime

from pydantic import Field

from dashboard.api.answers import Answer
from dashboard.api.discordance_answers import Discordance


class Identity(Answer):
    """Whose study it is: PHI, as the images have it, and as far as the registry keeps it."""

    patient_id: str | None
    """Patient ID (0010,0020)."""
    patient_name: str | None
    """Patient's Name (0010,0010), with its component groups."""
    birth_date: str | None
    """Patient's Birth Date (0010,0030), YYYYMMDD."""
    accession_number: str | None
    """Accession Number (0008,0050)."""
    study_date: str | None
    """Study Date (0008,0020), YYYYMMDD."""


class StudySummary(Answer):
    """One study of a list."""

    study_instance_uid: str
    """(0020,000D)."""
    state: str
    """RECEIVING, READY, PREPARED, SCORED, REPORTED, DELIVERED, FAILED or SKIPPED."""
    revision: int = Field(ge=1)
    """Counts from 1; a late instance makes the next."""
    instances: int = Field(ge=0)
    """That were received."""
    last_instance_at: datetime
    """When the last of them came; UTC."""
    reason: str | None
    """Why it was skipped, failed or stays, or what its deliveries wait for."""
    identity: Identity | None = None
    """Null unless it was asked for."""


class StudyPage(Answer):
    """Some studies, the latest instance first."""

    studies: list[StudySummary]
    next_cursor: str | None
    """To be given as `cursor` for those that follow; null: there are none."""


class Instance(Answer):
    """One received instance, and what `prepare` and the view gate made of it; null: not known, or not prepared yet."""

    sop_instance_uid: str
    """(0008,0018)."""
    received_at: datetime
    """When its file was durable; UTC."""
    calling_ae_title: str | None
    """Who sent it; null where it came without an association."""
    removed_at: datetime | None
    """When retention removed its file; null: it is kept."""
    frame_numbers: list[int] | None
    """The frames that were sampled, counted from 1."""
    frame_times_ms: list[float] | None
    """When each of them was taken, in milliseconds from the first frame of the instance."""
    time_origin: str | None
    """What of the header these times come from."""
    heart_rate: float | None
    """Beats a minute."""
    region: dict[str, int] | None
    """left, top, right, bottom in pixels, the last two exclusive: what the frames were cut from."""
    region_origin: str | None
    """Who said so: machine, motion or picture."""
    pixel_spacing_mm: list[float] | None
    """Vertical, horizontal; millimetres."""
    contents: list[str] | None
    """What the picture is made of, as tissue or colour Doppler."""
    notes: list[str] | None
    """What was odd about it."""
    view: str | None
    """The id of the view that the last scoring saw."""
    view_score: float | None
    """Of that view; a mean cosine, -1 to 1, where views are judged by prompts."""
    view_margin: float | None
    """By how much it beats the nearest view of the other kind, heart or not."""
    view_note: str | None
    """Why the view was not judged, or is in doubt."""
    skip_reason: str | None
    """Why it is left out of the scoring."""


class Model(Answer):
    """Which model answered."""

    name: str
    """Of the model pack."""
    version: str
    """Of the model pack."""
    family: str
    """Runs of one family can be compared."""
    label: str
    """CLINICAL, RESEARCH, DEMO or UNTRAINED: what its answers may be used for."""
    digest: str
    """SHA-256 of the pack's files, 64 hexadecimal digits."""


class View(Answer):
    """What a view classifier says of a clip."""

    view: str
    """The id of the nearest view."""
    name: str
    """The same in words."""
    is_heart: bool | None
    """Null: in doubt."""
    score: float
    """Of that view, on the classifier's own scale."""
    margin: float
    """By how much it beats the nearest view of the other kind."""


class UsedClip(Answer):
    """An instance that answers come from."""

    sop_instance_uid: str
    frame_numbers: list[int]
    """That were embedded, counted from 1."""
    view: View | None
    """Null: not judged."""


class LeftOutClip(Answer):
    """An instance that gave no answer."""

    sop_instance_uid: str
    reason: str
    view: View | None
    """Null: not judged."""


class ClipAnswer(Answer):
    """What one clip says by itself."""

    sop_instance_uid: str
    value: float
    """In the unit of the result (regression), a cosine, -1 to 1 (yes or no), or the place on the scale of classes."""
    outcome: str | None
    """The id of the class."""
    spread: float | None
    """As of the result, over the frames of this clip."""
    agreement: float | None
    """0 to 1; as of the result, over the frames of this clip."""


class Result(Answer):
    """The answer to one task."""

    task_id: str
    """By its id in the catalogue of the run."""
    model_label: str
    """As of the model: a number may travel alone."""
    verdict: str
    """MEASURED, PRESENT, ABSENT, CLASSIFIED, UNCALIBRATED or ABSTAINED."""
    value: float | None
    """Of a MEASURED answer, in `unit`."""
    unit: str | None
    """UCUM code; null where there is no value."""
    score: float | None
    """What is compared with the threshold; of ordered classes the place on their scale, 0 for the first."""
    threshold: float | None
    """Null where there is none."""
    outcome: str | None
    """The id of the class; with another verdict than CLASSIFIED it is no answer."""
    outcome_name: str | None
    """The same in words."""
    spread: float | None
    """Standard deviation of what each frame says alone, in `unit` or as a cosine; no error to be expected."""
    agreement: float | None
    """0 to 1: the share of the frames that alone give this answer; no probability."""
    method: str | None
    """How it was answered, as zero-shot."""
    reason: str | None
    """Why there is no answer, or what has to be known of it."""
    clips: list[ClipAnswer]


class Run(Answer):
    """The run whose results count, with its provenance."""

    run_uid: str
    """A UUID; the UIDs of what is made of the run derive from it."""
    repeats: str | None
    """The run whose results these are once more, for another report; null of a run that scored."""
    revision: int = Field(ge=1)
    """The revision of the study that it looked at."""
    finished_at: datetime
    """When it ended; UTC."""
    model: Model
    catalogue_digest: str
    """SHA-256 of the tasks and their prompts."""
    calibration_digest: str | None
    """SHA-256 of the site's calibration that decided; null where there was none."""
    software_version: str
    """Of EchoWorker."""
    preprocessing_profile: str
    """How clips became tensors."""
    view_gate: str | None
    """How views were judged; null: they were not."""
    clips: list[UsedClip]
    left_out: list[LeftOutClip]
    results: list[Result]


class ObjectDelivery(Answer):
    """One object's way to one destination."""

    destination: str
    """By its name in the settings."""
    state: str
    """DUE, SENT (storage commitment awaited), DELIVERED, DEAD (refused for good) or CANCELLED."""
    attempts: int = Field(ge=0)
    """How often the destination has answered to it."""
    last_answer: str | None
    """What it said last, in our words."""
    delivered_at: datetime | None
    """When it had it; UTC."""


class ReportObject(Answer):
    """An object that was made for the PACS."""

    kind: str
    """sr, heat-map or pdf."""
    sop_instance_uid: str
    """Of the object."""
    created_at: datetime
    """When it was built; UTC."""
    deliveries: list[ObjectDelivery]


class Happening(Answer):
    """One line of a study's timeline: a transition, or a failed attempt."""

    at: datetime
    """UTC."""
    revision: int = Field(ge=1)
    """Of the study, then."""
    step: str | None
    """The step that ended or failed; null where nothing was worked on."""
    state_before: str | None
    """Null of the first."""
    state_after: str
    """The same as before where an attempt failed."""
    attempt: int | None
    """Of the step, counted from 1; null where it does not count."""
    duration_ms: int | None
    """How long the attempt took, in milliseconds."""
    host: str
    """The machine that did it."""
    reason: str | None
    """Why it failed, was skipped, or was set back."""
    traceback: str | None
    """Where a worker was that the study took down; null for whoever is no administrator."""


class Study(Answer):
    """All that the registry knows of a study."""

    study_instance_uid: str
    """(0020,000D)."""
    state: str
    """As in the list."""
    state_since: datetime
    """UTC."""
    revision: int = Field(ge=1)
    """Counts from 1; a late instance makes the next."""
    lane: str
    """ROUTINE, or STAT: it goes ahead of others."""
    reason: str | None
    """Why it was skipped, failed or stays, or what its deliveries wait for."""
    identity: Identity | None = None
    """Null unless it was asked for."""
    instances: list[Instance]
    run: Run | None
    """Null before it was scored."""
    discordances: list[Discordance] | None
    """Where its reports and images do not agree; null for whoever may not read what reports say."""
    report: ReportObject | None
    """The Structured Report of the current run."""
    objects: list[ReportObject]
    """All that was made of the current run, the report included."""
    journal: list[Happening]
    """The timeline, the first thing first."""
