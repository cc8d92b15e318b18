"""Why a request is refused before anything is done."""

from config.sections.dashboard import AccountRole


class SignInNeededError(Exception):
    """Nobody is signed in: 401, or the page to sign in."""


class NotAllowedError(Exception):
    """The account's role is not enough: 403."""

    def __init__(self, role: AccountRole) -> None:
        super().__init__(f"this takes the role {role}; an administrator can give it to your account")


class ForgedFormError(Exception):
    """What was sent does not come from a page of ours: 403."""
