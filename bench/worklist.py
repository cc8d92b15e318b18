"""How long the worklist takes at a hospital's size, on PostgreSQL.

    python -m bench.worklist [--studies N] [--instances N] [--rounds N]

A registry of N studies is filled in bulk; then each kind of question that the page asks is asked, and the page itself
is made, in turns. Reported are the median and the slowest of each, in milliseconds. The bar is 100 ms for each of them.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from config.sections.dashboard import AccountRole
from config.sections.privacy import IdentityMode
from config.settings import load_settings
from dashboard.access.passwords import hashed
from dashboard.application import create_app
from dashboard.installation import Installation
from db.accounts import add_account
from db.reading.worklist import LookedFor, Place, worklist_page
from db.session import Database
from db.states import StudyState
from tests.support.browsing import PASSWORD, Browser
from tests.support.servers import postgresql

BAR_MS = 100.0
FILL = (
    """INSERT INTO studies (id, study_instance_uid, revision, state, state_since, created_at, last_instance_at,
           attempts, lane)
       SELECT n, '1.2.840.113619.2.' || (n % 97) || '.' || n, 1,
           (ARRAY['DELIVERED','DELIVERED','DELIVERED','DELIVERED','DELIVERED','DELIVERED','DELIVERED','DELIVERED',
                  'REPORTED','SKIPPED'])[1 + n % 10],
           at, at, at, 0, 1
       FROM (SELECT n, TIMESTAMPTZ '2026-11-29 12:00+0' - n * INTERVAL '5 minutes' AS at
             FROM generate_series(1, :studies) AS n) AS numbered""",
    "UPDATE studies SET state = 'FAILED', failed_step = 'deliver', reason = 'PACS: A700' WHERE id % 997 = 0",
    """INSERT INTO patient_identities (study_id, patient_id, patient_name, birth_date, accession_number, study_date)
       SELECT n, 'P' || (n % 40000), 'FAMILY' || (n % 30000) || '^GIVEN', '19500101', 'A' || n, '20261120'
       FROM generate_series(1, :studies) AS n""",
    """INSERT INTO instances (study_id, sop_instance_uid, sop_class_uid, series_instance_uid, transfer_syntax_uid,
           modality, spool_path, sha256, size_bytes, received_at, calling_ae_title, revision, action)
       SELECT n, '1.2.840.113619.3.' || n || '.' || k, '1.2.840.10008.5.1.4.1.1.3.1', '1.2.3.' || n,
           '1.2.840.10008.1.2.4.50', 'US', 'studies/' || n || '/' || k, repeat('0', 64), 4000000,
           TIMESTAMPTZ '2026-11-29 12:00+0' - n * INTERVAL '5 minutes',
           CASE WHEN n % 5000 = 0 THEN 'RARE' ELSE 'ECHO' || (n % 12) END, 1, 'score'
       FROM generate_series(1, :studies) AS n, generate_series(1, :instances) AS k""",
    """INSERT INTO runs (id, run_uid, study_id, revision, model_name, model_version, model_family, model_label,
           model_digest, catalogue_digest, software_version, preprocessing_profile, finished_at, clips)
       SELECT n, 'run ' || n, n, 1, 'demo', '1', 'demo', 'DEMO', repeat('d', 64), repeat('c', 64), '0', 'fast-1',
           TIMESTAMPTZ '2026-11-29 12:00+0' - n * INTERVAL '5 minutes', '[]'
       FROM generate_series(1, :studies) AS n""",
    "INSERT INTO current_runs (study_id, run_id) SELECT n, n FROM generate_series(1, :studies) AS n",
    """INSERT INTO results (run_id, task_id, verdict, value, unit, clips)
       SELECT n, task, verdict, 55.0, '%', '[]'
       FROM generate_series(1, :studies) AS n,
           (VALUES ('lvef', 'MEASURED'), ('pacemaker', 'PRESENT'), ('mitral_regurgitation', 'CLASSIFIED'),
                   ('impella', 'ABSENT')) AS answers (task, verdict)""",
    """INSERT INTO discordances (study_id, run_id, found_at, rule, rules_version, field, severity, report_id, sides,
           state)
       SELECT n, n, now(), 'lvef-differs', '1', 'lvef', 'MAJOR', 'r', '[]',
           CASE WHEN n % 200 = 0 THEN 'NEW' ELSE 'DISMISSED' END
       FROM generate_series(1, :studies) AS n WHERE n % 20 = 0""",
    """INSERT INTO reports (id, study_id, run_id, kind, sop_instance_uid, sop_class_uid, spool_path, sha256, created_at,
           language)
       SELECT n, n, n, 'sr', '2.25.' || n, '1.2.3', 'reports/' || n, repeat('0', 64), now(), 'en'
       FROM generate_series(1, :studies) AS n""",
    """INSERT INTO deliveries (report_id, destination, state, attempts)
       SELECT n, 'pacs', CASE WHEN n % 10 = 8 THEN 'DUE' ELSE 'DELIVERED' END, 1
       FROM generate_series(1, :studies) AS n""",
)
ASKED = {
    "the newest": LookedFor(),
    "one UID": LookedFor(uid="1.2.840.113619.2.41.50000"),
    "the beginning of many UIDs": LookedFor(uid="1.2.840.113619.2.41."),
    "a Patient ID": LookedFor(patient_id="P777"),
    "an accession number": LookedFor(accession_number="A4711"),
    "a family name": LookedFor(name="family2999"),
    "one letter of a name": LookedFor(name="f"),
    "FAILED ones": LookedFor(state=StudyState.FAILED),
    "DELIVERED ones": LookedFor(state=StudyState.DELIVERED),
    "a frequent sender": LookedFor(calling_ae_title="ECHO3"),
    "a rare sender": LookedFor(calling_ae_title="RARE"),
    "an unknown sender": LookedFor(calling_ae_title="NOBODY"),
    "those with discordances": LookedFor(has_discordances=True),
    "FAILED ones with discordances of a sender": LookedFor(
        state=StudyState.FAILED, has_discordances=True, calling_ae_title="ECHO3"
    ),
}
PAGES = ("/", "/?state=FAILED", "/?uid=1.2.840.113619.2.41.50000", "/?patient=P777", "/?sender=RARE&discordances=yes")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--studies", type=int, default=100_000)
    arguments.add_argument("--instances", type=int, default=10, help="of each study")
    arguments.add_argument("--rounds", type=int, default=15)
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgresql(Path(folder)) as server:
        url = server.create_database("worklist")
        _fill(url, studies=wanted.studies, instances=wanted.instances)
        settings = load_settings(data_dir=Path(folder) / "data", database={"url": url})
        here = Installation.of(settings)
        with closing(here.database):
            slowest = _ask(here.database, wanted.rounds, wanted.studies)
            slowest = max(slowest, _browse(here, wanted.rounds))
    print(f"{'slower' if slowest > BAR_MS else 'faster'} than {BAR_MS:.0f} ms: the slowest median is {slowest:.1f} ms")


def _fill(url: str, *, studies: int, instances: int) -> None:
    with closing(Database(url)) as database:
        database.upgrade()
    began = time.perf_counter()
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in FILL:
            connection.execute(text(statement), {"studies": studies, "instances": instances})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    print(f"{studies} studies with {instances} instances each, filled in {time.perf_counter() - began:.0f} s")


def _ask(database: Database, rounds: int, studies: int) -> float:
    """The slowest median, of the questions alone."""

    def page(looked_for: LookedFor, older_than: Place | None = None) -> None:
        with database.read() as session:
            worklist_page(session, looked_for, mode=IdentityMode.PLAIN, with_identity=True, older_than=older_than)

    with database.read() as session:
        first = worklist_page(session, LookedFor(), mode=IdentityMode.PLAIN, with_identity=False).lines[0].place
    deep = Place(at=first.at - timedelta(minutes=5) * (studies * 9 // 10), study_id=0)
    medians = [_timed(name, lambda asked=asked: page(asked), rounds) for name, asked in ASKED.items()]
    medians.append(_timed("a page 90 % down the list", lambda: page(LookedFor(), deep), rounds))
    return max(medians)


def _browse(here: Installation, rounds: int) -> float:
    """The slowest median, of whole pages as a reader gets them."""
    with here.database.write() as session:
        add_account(session, "reader", role=AccountRole.READER, password_hash=hashed(PASSWORD), now=here.now())
    with TestClient(create_app(here), base_url="http://127.0.0.1", follow_redirects=False) as client:
        browser = Browser(client)
        browser.sign_in("reader")
        return max(_timed(f"page {path}", lambda path=path: _get(browser, path), rounds) for path in PAGES)


def _get(browser: Browser, path: str) -> None:
    if browser.get(path).status_code != 200:
        raise SystemExit(f"{path} was not answered")


def _timed(name: str, ask: Callable[[], None], rounds: int) -> float:
    ask()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - began))
    print(f"{statistics.median(took):8.1f} ms, at most {max(took):8.1f} ms: {name}")
    return statistics.median(took)


if __name__ == "__main__":
    main()
