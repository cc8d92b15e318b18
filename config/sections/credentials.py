"""What is asked of every setting that names a server and how we show it who we are."""

from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit


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


def require_port(url: SplitResult) -> None:
    """What stands behind the host is a port, where anything does.

    Raises
    ------
    ValueError
        It is none. It is not quoted, as it may be a piece of a password with a `/` in it.
    """
    try:
        _ = url.port
    except ValueError:
        raise ValueError(
            "url: what stands behind the colon of its host is no port, 0 to 65535; a password goes into a file"
        ) from None


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


def url_with_password(url: str, password_file: str) -> str:
    """The URL that a client is given, with what the file holds as its user's password. Never log it.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    password = Path(password_file).read_text(encoding="utf-8").strip() if password_file else ""
    if not password:
        return url
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    user = f"{quote(unquote(parts.username or ''), safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{user}@{where}"))
