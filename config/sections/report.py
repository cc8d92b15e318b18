"""How reports speak."""

from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from config.languages import Language


class ReportSettings(BaseModel):
    """What goes back to the PACS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    """Of the sentences of a report; meanings of codes are in English, as DICOM has them."""
    time_zone: ZoneInfo
    """Of the dates and times of what is built, where a study's images name none; by its IANA name."""
