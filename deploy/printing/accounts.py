"""How accounts of the dashboard are shown."""

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from db.tables.accounts import Account


def accounts_table(listed: Iterable[Account], *, now: datetime) -> Table:
    """One a line; their sessions and tokens are read while the registry is open."""
    table = Table("Name", "Role", "Signs in", "Last", "Sessions", "Tokens", "")
    for account in listed:
        last = f"{account.signed_in_at:%Y-%m-%d %H:%M}" if account.signed_in_at else "never"
        there = [session for session in account.sessions if session.expires_at > now]
        tokens = [f"{each.note}, to {each.expires_at:%Y-%m-%d}" for each in there if each.is_token]
        sessions = sum(not each.is_token for each in there)
        style = "dim" if account.disabled_at else ""
        cells = (account.name, account.role, _by(account), last, str(sessions), "; ".join(tokens), _state(account, now))
        table.add_row(*(Text(cell, style) for cell in cells))
    return table


def _by(account: Account) -> str:
    if account.issuer:
        return account.issuer
    return "by password" if account.password_hash else "by tokens alone"


def _state(account: Account, now: datetime) -> str:
    if account.disabled_at:
        return f"disabled since {account.disabled_at:%Y-%m-%d}"
    if account.locked_until and account.locked_until > now:
        return f"locked until {account.locked_until:%H:%M} UTC: too many wrong passwords"
    return ""
