"""Who may change something by the API.

A program shows its token in `Authorization: Bearer`, which no other site can make a browser send. A script of our own
pages acts by the session's cookie, and sends the session's form secret in a header: another site cannot make a browser
send such a header (CORS would ask us first, and we never answer), nor know the secret; and `Origin` and
`Sec-Fetch-Site` are looked at, as of forms.
"""

from typing import Annotated

from fastapi import Depends, Header

from dashboard.access.forms import require_form_secret, require_same_site
from dashboard.access.people import Admin, Person, Reader

_SameSite = Annotated[None, Depends(require_same_site)]
_Given = Annotated[
    str,
    Header(
        alias="X-EchoWorker-Form",
        description="The form secret of the session, for whoever acts by its cookie; not needed with a token.",
    ),
]


def _reader(person: Reader, _same: _SameSite, given: _Given = "") -> Person:
    return require_form_secret(person, given)


def _admin(person: Admin, _same: _SameSite, given: _Given = "") -> Person:
    return require_form_secret(person, given)


ReaderActs = Annotated[Person, Depends(_reader)]
"""For functions that change something: somebody who may see patients, or their program."""
AdminActs = Annotated[Person, Depends(_admin)]
"""... who may change the installation."""
