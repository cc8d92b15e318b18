"""Accounts: who may see and do what; for administrators."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from config.errors import AccountError
from config.sections.dashboard import AccountRole
from dashboard.access import trail
from dashboard.access.accounts import AccountChanges
from dashboard.access.forms import AdminForm
from dashboard.access.passwords import made_up
from dashboard.access.people import Admin, Person
from dashboard.installation import Here, Installation
from dashboard.parameters import Number
from dashboard.rendering import page
from db.accounts import account_with, list_accounts, sign_ins_of

router = APIRouter(prefix="/accounts")
Role = Annotated[AccountRole, Form()]


@router.get("")
def accounts(request: Request, here: Here, person: Admin) -> Response:
    """All accounts, and a form for one more."""
    return _list(request, here, person)


@router.post("")
def add(
    request: Request, here: Here, person: AdminForm, name: Annotated[str, Form(max_length=256)], role: Role
) -> Response:
    """Add one; its password is shown once."""
    password = made_up()
    try:
        _changes(here, person).add(name.strip(), role, password=password)
    except AccountError as error:
        return _list(request, here, person, wrong=str(error))
    return _list(request, here, person, secret=password, of=name.strip())


@router.get("/{account_id}")
def account(request: Request, here: Here, person: Admin, account_id: Number) -> Response:
    """One account with its sessions and tokens."""
    return _one(request, here, person, account_id)


@router.post("/{account_id}/role")
def give_role(here: Here, person: AdminForm, account_id: Number, role: Role) -> Response:
    """Let it do more, or less."""
    changes = _changes(here, person)
    changes.give_role(changes.name_of(account_id), role)
    return _back(account_id)


@router.post("/{account_id}/disable")
def disable(here: Here, person: AdminForm, account_id: Number) -> Response:
    """Let nobody sign in with it; whoever is signed in is out at once."""
    changes = _changes(here, person)
    changes.enable(changes.name_of(account_id), is_enabled=False)
    return _back(account_id)


@router.post("/{account_id}/enable")
def enable(here: Here, person: AdminForm, account_id: Number) -> Response:
    """Let it sign in again."""
    changes = _changes(here, person)
    changes.enable(changes.name_of(account_id), is_enabled=True)
    return _back(account_id)


@router.post("/{account_id}/password")
def give_password(request: Request, here: Here, person: AdminForm, account_id: Number) -> Response:
    """Make a new password, which is shown once."""
    changes, password = _changes(here, person), made_up()
    changes.give_password(changes.name_of(account_id), password)
    if account_id == person.account.account_id:  # this session has ended with the others
        return page(request, "account_secret.html", secret=password, of=person.name)
    return _one(request, here, person, account_id, password=password)


@router.post("/{account_id}/tokens")
def give_token(
    request: Request,
    here: Here,
    person: AdminForm,
    account_id: Number,
    note: Annotated[str, Form(min_length=1, max_length=64, pattern=r"\S")],
    days: Annotated[int, Form(ge=1, le=3660)],
) -> Response:
    """Make a token for a program, which is shown once."""
    changes = _changes(here, person)
    token = changes.give_token(changes.name_of(account_id), note=note.strip(), days=days)
    return _one(request, here, person, account_id, token=token)


@router.post("/{account_id}/end/{sign_in_id}")
def end(here: Here, person: AdminForm, account_id: Number, sign_in_id: Number) -> Response:
    """End a session, or take a token back."""
    _changes(here, person).end_one(account_id, sign_in_id)
    return _back(account_id)


def _changes(here: Installation, person: Person) -> AccountChanges:
    return AccountChanges(
        settings=here.settings, database=here.database, trail=here.trail, by=trail.user(person), now=here.now
    )


def _back(account_id: int) -> Response:
    return RedirectResponse(f"/accounts/{account_id}", HTTPStatus.SEE_OTHER)


def _list(
    request: Request, here: Installation, person: Person, *, wrong: str = "", secret: str = "", of: str = ""
) -> Response:
    with here.database.read() as session:
        listed = list_accounts(session)
    status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK
    context = {"accounts": listed, "roles": list(AccountRole), "wrong": wrong, "secret": secret, "of": of}
    return page(request, "accounts.html", person, status=status, now=here.now(), **context)


def _one(
    request: Request, here: Installation, person: Person, account_id: int, *, password: str = "", token: str = ""
) -> Response:
    now = here.now()
    with here.database.read() as session:
        found = account_with(session, account_id)
        sign_ins = sign_ins_of(session, account_id, now=now)
    return page(
        request,
        "accounts_one.html",
        person,
        account=found,
        sessions=[each for each in sign_ins if not each.is_token],
        tokens=[each for each in sign_ins if each.is_token],
        roles=list(AccountRole),
        password=password,
        token=token,
        now=now,
    )
