"""Passwords: Argon2id with the parameters of RFC 9106 section 4 (second recommended option: 64 MiB)."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from config.errors import AccountError, TooManySignInsError

SHORTEST = 12
"""NIST SP 800-63B section 3.1.1.2 asks for no rules of composition, but for length."""
LONGEST = 256
AT_ONCE = 2
"""Passwords that are looked at together: each takes 64 MiB and a core, and anybody may send them."""
PATIENCE_S = 1.0
"""How long one waits for its turn; other pages need the threads."""

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_turns = threading.BoundedSemaphore(AT_ONCE)
_of_nobody = _hasher.hash(secrets.token_urlsafe(24))


def hashed(password: str) -> str:
    """What is kept of a password.

    Raises
    ------
    AccountError
        It is too short, or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} characters")
    return _hasher.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Whether this is the password; of an account that has none, or is not there, it takes as long to say no."""
    try:
        _hasher.verify(kept or _of_nobody, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@contextmanager
def turn() -> Iterator[None]:
    """While a password is looked at that anybody may have sent.

    Raises
    ------
    TooManySignInsError
        Others do not end in time.
    """
    if not _turns.acquire(timeout=PATIENCE_S):
        raise TooManySignInsError("too many sign in at this moment: try again in a few seconds")
    try:
        yield
    finally:
        _turns.release()


def made_up() -> str:
    """A password that nobody chose: 120 random bits."""
    return secrets.token_urlsafe(15)
