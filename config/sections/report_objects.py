"""What is made for the PACS of one result."""

from enum import StrEnum


class ReportObject(StrEnum):
    """A kind of object; a run has at most one of each."""

    SR = "sr"
    """The Structured Report: the result itself. What else there is, it refers to."""
    HEAT_MAP = "heat-map"
    """Multi-frame Secondary Capture: the deciding clip, with where in it the model looked."""
    PDF = "pdf"
    """Encapsulated PDF: one page for readers without a viewer of Structured Reports."""
