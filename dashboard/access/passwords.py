"""Passwords: Argon2id with the parameters of RFC 9106 section 4 (second recommended option: 64 MiB)."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from config.errors import AccountError

SHORTEST = 12
"""NIST SP 800-63B section 3.1.1.2 asks for no rules of composition, but for length."""
LONGEST = 256

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
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


def made_up() -> str:
    """A password that nobody chose: 120 random bits."""
    return secrets.token_urlsafe(15)
