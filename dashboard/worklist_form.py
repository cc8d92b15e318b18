"""The form above the worklist: what was asked for, read without trusting it, and written into addresses again."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query

from dashboard.access.people import Viewer
from dashboard.places import place_of
from db.reading.worklist import LookedFor, Place
from db.states import StudyState

_UID = re.compile(r"[0-9.]{1,64}")
_Text = Annotated[str, Query(max_length=128)]
_LAST_DAY = date(9999, 12, 30)


@dataclass(frozen=True, kw_only=True)
class WorklistForm:
    """The fields as they were filled in, and what they mean."""

    fields: dict[str, str]
    """Those that are not empty, by their names."""
    looked_for: LookedFor
    older_than: Place | None = None
    newer_than: Place | None = None
    mistakes: tuple[str, ...] = field(default=())
    """What could not be understood, for people: nothing is listed then."""

    def value(self, name: str) -> str:
        """What a field is filled with."""
        return self.fields.get(name, "")

    def address(self, **changes: str) -> str:
        """The list with these fields changed, from its beginning."""
        fields = {name: value for name, value in {**self.fields, **changes}.items() if value}
        return f"/?{urlencode(fields)}" if fields else "/"

    def beside(self, way: str, place: Place) -> str:
        """The page `older` or `newer` than this line."""
        return self.address(**{way: f"{place.at.astimezone(UTC).isoformat()}/{place.study_id}"})


def _read(
    person: Viewer,
    *,
    uid: _Text = "",
    patient: _Text = "",
    accession: _Text = "",
    name: _Text = "",
    state: _Text = "",
    sender: _Text = "",
    since: _Text = "",
    until: _Text = "",
    discordances: _Text = "",
    older: _Text = "",
    newer: _Text = "",
) -> WorklistForm:
    """Of whoever sees no patients, what names one is not looked for: whether something is found would tell of them."""
    given = {"uid": uid, "state": state, "sender": sender, "since": since, "until": until, "discordances": discordances}
    if person.sees_patients:
        given |= {"patient": patient, "accession": accession, "name": name}
    fields = {key: value.strip() for key, value in given.items() if value.strip()}
    mistakes: list[str] = []
    if "uid" in fields and not _UID.fullmatch(fields["uid"]):
        mistakes.append("a Study Instance UID has digits and dots, at most 64")
    if "state" in fields and fields["state"] not in list(StudyState):
        mistakes.append("there is no such state")
    looked_for = LookedFor(
        uid=fields.get("uid", ""),
        patient_id=fields.get("patient", ""),
        accession_number=fields.get("accession", ""),
        name=fields.get("name", ""),
        state=StudyState(fields["state"]) if fields.get("state") in list(StudyState) else None,
        calling_ae_title=fields.get("sender", ""),
        since=_beginning(fields.get("since", ""), mistakes),
        until=_beginning(fields.get("until", ""), mistakes, days_later=1),
        has_discordances="discordances" in fields,
    )
    places = (_place(older, mistakes), _place(newer, mistakes))
    return WorklistForm(
        fields=fields, looked_for=looked_for, older_than=places[0], newer_than=places[1], mistakes=tuple(mistakes)
    )


FormOfWorklist = Annotated[WorklistForm, Depends(_read)]
"""For functions that answer requests: what is looked for."""


def _beginning(day: str, mistakes: list[str], *, days_later: int = 0) -> datetime | None:
    """When that day begins by this machine's clock."""
    if not day:
        return None
    try:
        begins = datetime.combine(min(date.fromisoformat(day), _LAST_DAY) + timedelta(days=days_later), time())
        return begins.astimezone()
    except (ValueError, OverflowError):
        mistakes.append("a day is written YYYY-MM-DD")
        return None


def _place(written: str, mistakes: list[str]) -> Place | None:
    if not written:
        return None
    at, _, number = written.partition("/")
    place = place_of(at, number)
    if place is None:
        mistakes.append("this is no place of the list: begin at its top")
        return None
    return place
