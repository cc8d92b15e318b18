"""What no address and no form may have, as no database of ours takes it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import HTTPException, Path, Request

LARGEST_NUMBER = 2**31 - 1
"""Of a row."""
Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Its number, as lists give it.")]
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def require_no_nul(request: Request) -> None:
    """Refuse text with the character NUL in an address or a form: PostgreSQL keeps none.

    Raises
    ------
    HTTPException
        422: there is one.
    """
    given: list[object] = [*request.path_params.values()]
    given += [value for _, value in request.query_params.multi_items()]
    if request.headers.get("content-type", "").startswith(_FORMS):
        given += [value for _, value in (await request.form()).multi_items()]  # kept: it is read once
    if any(isinstance(one, str) and "\0" in one for one in given):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "what was given has the character NUL in it")
