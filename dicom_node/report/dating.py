"""When a run ended, as its objects say it: in the same words on whatever machine they are built.

The zone is the one that the study's images name, and Timezone Offset From UTC says so; where they name none, the site's
(`report.time_zone`), in which `Run.finished_at` comes here. An offset is not named then: it would hold for the date and
time of the study as well (PS3.3 section C.12.1.1.9), of which nobody said which zone they are in.
"""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from pydicom.dataset import Dataset

from db.results.runs import Run
from dicom_node.time_zones import zone_named

_NAMED = "TimezoneOffsetFromUTC"


def in_zone_of(run: Run, source: Dataset) -> Run:
    """The run, its end in the zone that `source` names; as it is where that names none."""
    zone = zone_named(str(source.get(_NAMED) or ""))
    return run if zone is None else replace(run, finished_at=run.finished_at.astimezone(zone))


def date_object(made: Dataset, run: Run, source: Dataset) -> datetime:
    """Date an object by the end of its run; `source` is the image whose patient and study it carries."""
    ended = in_zone_of(run, source).finished_at
    if zone_named(str(source.get(_NAMED) or "")) is not None:
        made.TimezoneOffsetFromUTC = source.TimezoneOffsetFromUTC
    made.InstanceCreationDate = made.ContentDate = ended.strftime("%Y%m%d")
    made.InstanceCreationTime = made.ContentTime = ended.strftime("%H%M%S.%f")
    return ended


def in_words(ended: datetime) -> str:
    """For people, who see a picture or a page alone; with the offset, since abbreviations of zones are not unique."""
    return f"{ended:%Y-%m-%d %H:%M} {timezone(ended.utcoffset() or timedelta())}"
