"""What is asked of every setting that names a server and how we show it who we are."""

from pathlib import Path
from urllib.parse import SplitResult


def require_files(*names: str) -> None:
    """Each that is named is there.

    Raises
    ------
    ValueError
        One is not.
    """
    for name in names:
        if name and not Path(name).is_file():
            raise ValueError(f"{name}: no such file")


def refuse_user_in(url: SplitResult) -> None:
    """Settings are shown and logged: no URL of them may hold a secret.

    Raises
    ------
    ValueError
        It has a user, or a password.
    """
    if "@" in url.netloc:
        raise ValueError("url cannot hold a user or password; bearer_token_file names a file with a token")


def refuse_token_in_the_open(bearer_token_file: str, *, is_secure: bool) -> None:
    """A token is shown under TLS alone.

    Raises
    ------
    ValueError
        There is one, and the server is called without.
    """
    if bearer_token_file and not is_secure:
        raise ValueError("bearer_token_file needs an https url: anybody on the way could read the token")
