"""Whether identities are kept as the settings say, and their conversion where they are not."""

from sqlalchemy import delete, inspect, text
from sqlalchemy.orm import Session

from config.errors import IdentitiesError
from config.sections.privacy import IdentityMode
from db.identities import IdentityField, IdentityKeeper
from db.inserting import insert_if_new
from db.tables.consistency import ReceivedReportKey
from db.tables.identity_keeping import IdentityKeeping

AT_ONCE = 500
"""Studies that are converted in one transaction."""
_RAW = text(
    f"SELECT study_id, {', '.join(IdentityField)} FROM patient_identities "  # noqa: S608  our own columns
    "WHERE study_id > :after ORDER BY study_id LIMIT :at_once"
)
_REPLACE = text(
    f"UPDATE patient_identities SET {', '.join(f'{field} = :{field}' for field in IdentityField)} "  # noqa: S608
    "WHERE study_id = :study_id"
)


def require_keeping(session: Session, keeper: IdentityKeeper, *, may_begin: bool) -> bool:
    """Refuse to go on where identities are kept otherwise; whether that is known now.

    `may_begin`: this may be the first who writes any, and settles how.

    Raises
    ------
    IdentitiesError
        They are kept otherwise, or are being converted.
    """
    if not inspect(session.connection()).has_table(IdentityKeeping.__tablename__):
        return False  # a schema from before, or none: whoever brings it up to date looks again
    keeping = session.get(IdentityKeeping, 1)
    if keeping is None:
        row = {"id": 1, "fingerprint": keeper.fingerprint, "converted_up_to": 0}
        if not may_begin:
            return False
        insert_if_new(session, IdentityKeeping, row)
        keeping = session.get_one(IdentityKeeping, 1)
    if keeping.converting_to is not None:
        raise IdentitiesError("patient identities are being converted: run echoworker db identities to its end")
    if keeping.fingerprint != keeper.fingerprint:
        raise IdentitiesError(
            f"patient identities are kept as {_mode_of(keeping.fingerprint)}, by another key or otherwise than "
            f"[privacy] says ({keeper.mode}): set it back, or stop everything and run echoworker db identities"
        )
    return True


def kept_now(session: Session) -> str | None:
    """The fingerprint of how identities are kept, or were before a conversion that has not ended; None: none are."""
    keeping = session.get(IdentityKeeping, 1)
    return None if keeping is None else keeping.fingerprint


def convert_portion(session: Session, former: IdentityKeeper | None, keeper: IdentityKeeper) -> int | None:
    """Convert the next studies; how many, or None when all are. Interrupted, it goes on where it was.

    `former` reads what is kept; nothing has to be read for what will be EMPTY. The first portion converts the keys of
    received reports, too; see docs/privacy.md for which can be.

    Raises
    ------
    IdentitiesError
        `former` does not keep them as they are kept; or they are pseudonyms, which nobody can read; or another
        conversion has begun.
    """
    keeping = session.get(IdentityKeeping, 1, with_for_update=True)
    if keeping is None or (keeping.fingerprint == keeper.fingerprint and keeping.converting_to is None):
        return None
    _require_convertible(keeping, former, keeper)
    if keeping.converting_to is None:
        keeping.converting_to, keeping.converted_up_to = keeper.fingerprint, 0
        _convert_report_keys(session, former, keeper)
    rows = session.execute(_RAW, {"after": keeping.converted_up_to, "at_once": AT_ONCE}).mappings().all()
    for row in rows:
        values: dict[str, str | None] = {
            field.value: None if former is None else keeper.kept(field, former.read(field, row[field]))
            for field in IdentityField
        }
        session.execute(_REPLACE, {"study_id": row["study_id"], **values})
        keeping.converted_up_to = row["study_id"]
    if rows:
        return len(rows)
    keeping.fingerprint, keeping.converting_to = keeper.fingerprint, None
    return None


def _require_convertible(keeping: IdentityKeeping, former: IdentityKeeper | None, keeper: IdentityKeeper) -> None:
    mode = _mode_of(keeping.fingerprint)
    if mode == IdentityMode.PSEUDONYMISED and keeper.mode is not IdentityMode.EMPTY:
        raise IdentitiesError(
            "pseudonyms cannot be read: a registry with the identities is made from the spool, in a new database "
            "(echoworker spool rebuild)"
        )
    if keeper.mode is not IdentityMode.EMPTY and (former is None or keeping.fingerprint != former.fingerprint):
        raise IdentitiesError(
            f"patient identities are kept as {mode}, and not by this key: name the file of the one that they were "
            "filled with, --former-key-file"
        )
    if keeping.converting_to not in (None, keeper.fingerprint):
        raise IdentitiesError(
            f"a conversion to {_mode_of(str(keeping.converting_to))} has begun: set [privacy] to that, and end it first"
        )


def _convert_report_keys(session: Session, former: IdentityKeeper | None, keeper: IdentityKeeper) -> None:
    """Digests become keyed ones. What is keyed cannot be keyed anew: reports that have only such a key are matched by
    hand, or found again by being added again."""
    if former is None:
        session.execute(delete(ReceivedReportKey))
    elif former.mode is IdentityMode.PLAIN:
        table = ReceivedReportKey.__tablename__
        for report, key in session.execute(text(f"SELECT received_report_id, key FROM {table}")).all():  # noqa: S608
            session.execute(
                text(f"UPDATE {table} SET key = :new WHERE received_report_id = :report AND key = :key"),  # noqa: S608
                {"new": keeper.keyed(key), "report": report, "key": key},
            )


def _mode_of(fingerprint: str) -> str:
    return fingerprint.partition(":")[0]
