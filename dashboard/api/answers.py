"""What every answer of the API is made of, and how a refusal looks."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PROBLEM = "application/problem+json"
UID_PATTERN = r"^[0-9.]{1,64}$"
"""PS3.5 section 9.1; of UIDs that are asked for alone: what is kept is said as it is."""
_WITHOUT_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no text with one."""


class Answer(BaseModel):
    """Base of all of them: what stands under a field is its description in the OpenAPI document."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """Base of what is sent to us."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Problem(BaseModel):
    """Why something was not answered or done (RFC 9457); its type is always about:blank."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    status: int = Field(ge=400, le=599)
    """The HTTP status."""
    title: str
    """What that status means."""
    detail: str
    """What was wrong, with which object, and what to do; free of PHI."""


def refusals(*more: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: those that each may give, and these. `dashboard.api.document` sets their type."""
    said = {
        401: "Nobody is signed in, or the token does not count.",
        403: "The account's role is not enough, or the request may come from another site.",
        404: "There is no such thing.",
        409: "It cannot be done as things are.",
        503: "As much of this is under way as may be: ask again later.",
        422: "A parameter is missing, or is none.",
    }
    return {status: {"model": Problem, "description": said[status]} for status in (401, 403, *more, 422)}


Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=_WITHOUT_NUL)]
"""A sentence of somebody; without names of patients."""
Name = Annotated[str, StringConstraints(max_length=64, pattern=_WITHOUT_NUL)]
StudyUID = Annotated[str, Path(pattern=UID_PATTERN, description="Study Instance UID (0020,000D).")]
AtMost = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
