"""Where kept embeddings are found again."""

from dataclasses import replace

from db.results.embeddings import StoredEmbeddings, latest_embeddings, record_embeddings
from db.session import Database
from tests.db.conftest import NOW

STORED = StoredEmbeddings(
    study_instance_uid="1.2.1",
    revision=1,
    embedder="e" * 64,
    preprocessing_profile="fast-1",
    path="embeddings/1.safetensors",
    clips=1,
    frames=20,
    created_at=NOW,
)
MANY = 260_000
"""More values than a statement may have: 65,535 for PostgreSQL, for SQLite 32,766 unless it was built for more, as
Debian's is for 250,000."""


def test_however_many_studies_are_asked_for_the_latest_of_each_is_found(registry: Database, ready_study: int) -> None:
    newest = replace(STORED, revision=2, path="embeddings/2.safetensors")
    with registry.write() as session:
        for stored in (STORED, newest, replace(STORED, revision=3, embedder="f" * 64)):
            record_embeddings(session, study_id=ready_study, stored=stored)
    asked = [*(f"1.2.{number}" for number in range(2, MANY)), "1.2.1"]
    with registry.read() as session:
        found = latest_embeddings(session, embedder=STORED.embedder, study_instance_uids=asked)
        assert list(found) == [newest]
