"""`echoworker accounts`: who may use the dashboard and its API."""

import socket
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from config.sections.dashboard import AccountRole
from deploy.cli.shared import console, open_registry, start, who

if TYPE_CHECKING:
    from dashboard.access.accounts import AccountChanges

accounts_commands = typer.Typer(
    help="Who may use the dashboard: list, add, change, disable; tokens for programs.", invoke_without_command=True
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the account.")]
Role = Annotated[
    AccountRole, typer.Option("--role", help="viewer: no patients; reader: patients and reports; admin: operates.")
]
FromStandardInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the standard input: its first line.")
]
LONGEST_DAYS = 3660


@accounts_commands.callback()
def accounts(context: typer.Context) -> None:
    """List the accounts: role, who vouches for them, when they last signed in, sessions and tokens."""
    if context.invoked_subcommand is not None:
        return
    from db.accounts import list_accounts  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.printing.accounts import accounts_table  # noqa: PLC0415

    with open_registry(start("accounts")).read() as session:
        listed = list_accounts(session)
        table = accounts_table(listed, now=datetime.now(UTC)) if listed else None
    console.print(table or "no accounts yet: the first one is made when the dashboard starts, or by accounts add")


@accounts_commands.command("add")
def add(
    name: Name,
    role: Role = AccountRole.VIEWER,
    password_stdin: FromStandardInput = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="None: it is for programs, which show tokens.")
    ] = False,
) -> None:
    """Add an account; without a password given, one is made up and shown this once."""
    password = None if no_password else _password(from_standard_input=password_stdin)
    _changes().add(name, role, password=password)
    console.print(f"{name} is {role}", markup=False, highlight=False)
    _show(None if password_stdin else password)


@accounts_commands.command("role")
def change_role(name: Name, role: Annotated[AccountRole, typer.Argument(help="viewer, reader or admin.")]) -> None:
    """Give an account another role; whoever is signed in with it signs in again."""
    _changes().give_role(name, role)
    console.print(f"{name} is {role}", markup=False, highlight=False)


@accounts_commands.command("disable")
def disable(name: Name) -> None:
    """Let nobody use an account from now on, by session or token; what it did stays written with its name."""
    _changes().enable(name, is_enabled=False)
    console.print(f"{name} is disabled", markup=False, highlight=False)


@accounts_commands.command("enable")
def enable(name: Name) -> None:
    """Let an account be used again."""
    _changes().enable(name, is_enabled=True)
    console.print(f"{name} may sign in", markup=False, highlight=False)


@accounts_commands.command("password")
def change_password(name: Name, password_stdin: FromStandardInput = False) -> None:
    """Give an account another password, and unlock it; without one given, one is made up and shown this once."""
    password = _password(from_standard_input=password_stdin)
    _changes().give_password(name, password)
    console.print(f"the password of {name} is changed, and its sessions have ended", markup=False, highlight=False)
    console.print(f"its tokens go on: echoworker accounts end {name} --tokens", markup=False, highlight=False)
    _show(None if password_stdin else password)


@accounts_commands.command("token")
def token(
    name: Name,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What it is for.")],
    days: Annotated[int, typer.Option("--days", min=1, max=LONGEST_DAYS, help="How long it counts.")] = 365,
) -> None:
    """Make a token for a program that acts as this account, and show it this once: Authorization: Bearer TOKEN."""
    typer.echo(_changes().give_token(name, note=note, days=days))


@accounts_commands.command("end")
def end_sessions(
    name: Name, tokens: Annotated[bool, typer.Option("--tokens", help="Take its tokens back as well.")] = False
) -> None:
    """Sign out whoever is signed in with an account."""
    ended = _changes().end_all(name, tokens_too=tokens)
    console.print(f"{ended} ended", highlight=False)


def _changes() -> "AccountChanges":
    """By whoever has a login here, and no account of ours."""
    from dashboard.access.accounts import AccountChanges  # noqa: PLC0415
    from dicom_node.audit.message import User  # noqa: PLC0415
    from dicom_node.audit.trail import AuditTrail  # noqa: PLC0415

    settings = start("accounts")
    by = User(name=who(), address=socket.gethostname())
    return AccountChanges(settings=settings, database=open_registry(settings), trail=AuditTrail(settings), by=by)


def _password(*, from_standard_input: bool) -> str:
    from dashboard.access.passwords import made_up  # noqa: PLC0415

    return sys.stdin.readline().rstrip("\n") if from_standard_input else made_up()


def _show(password: str | None) -> None:
    """What was made up, alone on its line, for whoever copies it; it is kept nowhere."""
    if password is not None:
        console.print("its password, which is shown this once:", highlight=False)
        typer.echo(password)
