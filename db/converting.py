"""The conversion of a whole registry to how its settings say that identities are kept."""

from pathlib import Path

from config.sections.privacy import IdentityMode, key_from
from config.settings import Settings
from db.identities import IdentityKeeper
from db.identity_keeping import convert_portion, kept_now
from db.session import Database


def convert_identities(settings: Settings, former_key_file: Path | None = None) -> tuple[str | None, int]:
    """How they were kept, None where nothing was to be done; and the studies that were converted now.

    Interrupted, it goes on where it was. Nothing else may be at work on the registry: whoever starts meanwhile is
    refused, and whoever is running already would go on as before.

    Raises
    ------
    IdentitiesError
        They cannot be converted so; the message says why.
    ConfigurationError
        A key cannot be read.
    """
    secret = settings.privacy.secret()
    keeper = IdentityKeeper(settings.privacy.patient_identities, secret)
    registry = Database.of(settings)
    with registry.converting() as session:
        fingerprint = kept_now(session)
    if fingerprint is None:
        return None, 0
    mode = IdentityMode(fingerprint.partition(":")[0])
    former = None if keeper.mode is IdentityMode.EMPTY else _former(mode, former_key_file, secret)
    count, is_first = 0, True
    while True:
        with registry.converting() as session:
            done = convert_portion(session, former, keeper)
        if done is None:
            registry.leave_no_trace()
            return (None if is_first and fingerprint == keeper.fingerprint else mode.value), count
        count, is_first = count + done, False


def _former(mode: IdentityMode, key_file: Path | None, secret: bytes | None) -> IdentityKeeper | None:
    """What they can be read by; None where no key was named, and one is needed."""
    named = key_from(key_file) if key_file else secret
    return None if mode.needs_key and named is None else IdentityKeeper(mode, named)
