"""Simulated rows of a registry that has been at work for long: as many studies wait as are at rest.

PostgreSQL makes them itself (generate_series): what is measured reads rows, and no files.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

TABLES = (
    # Of a hundred that wait, ninety for `prepare`, five each for `score` and `report`; announced a moment ago. Of a
    # hundred at rest two are REPORTED (their report is due at the PACS), two FAILED, three SKIPPED.
    """
    INSERT INTO studies (study_instance_uid, revision, state, state_since, failed_step, created_at, last_instance_at,
                         attempts, announced_at, lane)
    SELECT '2.25.9' || n, 1,
           CASE WHEN n <= :waiting AND n % 20 = 0 THEN 'PREPARED' WHEN n <= :waiting AND n % 20 = 1 THEN 'SCORED'
                WHEN n <= :waiting THEN 'READY'
                WHEN n % 100 < 2 THEN 'REPORTED' WHEN n % 100 < 4 THEN 'FAILED' WHEN n % 100 < 7 THEN 'SKIPPED'
                ELSE 'DELIVERED' END,
           at, CASE WHEN n > :waiting AND n % 100 BETWEEN 2 AND 3 THEN 'deliver' END, at - interval '5 minutes',
           at - interval '1 minute', 0, CASE WHEN n <= :waiting THEN now() END, 1
    FROM generate_series(1, 2 * :waiting) n,
         LATERAL (SELECT now() - (CASE WHEN n <= :waiting THEN n * interval '100 milliseconds'
                                       ELSE (n - :waiting) * interval '5 minutes' END) AS at) moment
    """,
    """
    INSERT INTO patient_identities (study_id, patient_id, patient_name, birth_date, accession_number, study_date)
    SELECT id, 'P' || id % 50000, 'Doe^' || id, '19500101', 'A' || id, to_char(last_instance_at, 'YYYYMMDD')
    FROM studies
    """,
    """
    INSERT INTO instances (study_id, sop_instance_uid, sop_class_uid, series_instance_uid, transfer_syntax_uid,
                           modality, spool_path, sha256, size_bytes, received_at, calling_ae_title, revision, action)
    SELECT id, study_instance_uid || '.' || k, '1.2.840.10008.5.1.4.1.1.3.1', study_instance_uid || '.0',
           '1.2.840.10008.1.2.4.50', 'US', 'studies/' || study_instance_uid || '/' || k || '.dcm',
           md5(id::text) || md5(k::text), 3000000, last_instance_at, 'ECHO' || id % 5, 1, 'score'
    FROM studies, generate_series(1, 3) k
    """,
    """
    INSERT INTO journal (study_id, revision, at, step, state_before, state_after, attempt, duration_ms, host)
    SELECT id, 1, created_at + k * interval '20 seconds', step, before, after, attempt, 900, 'host-' || id % 4
    FROM studies, (VALUES (0, NULL, NULL, 'RECEIVING', NULL), (1, NULL, 'RECEIVING', 'READY', NULL),
                          (2, 'prepare', 'READY', 'PREPARED', 1), (3, 'score', 'PREPARED', 'SCORED', 1),
                          (4, 'report', 'SCORED', 'REPORTED', 1), (5, 'deliver', 'REPORTED', 'DELIVERED', NULL))
                  AS way (k, step, before, after, attempt)
    WHERE k < 2 OR state IN ('DELIVERED', 'REPORTED', 'FAILED') AND (k < 5 OR state = 'DELIVERED')
    """,
    """
    INSERT INTO clips (study_id, revision, sop_instance_uid, tensor_path, frame_numbers, preprocessing_profile, notes)
    SELECT study_id, 1, sop_instance_uid, 'tensors/' || sop_instance_uid, '[1, 3, 5, 7]', 'fast-1', '[]'
    FROM instances JOIN studies ON studies.id = study_id WHERE state NOT IN ('READY')
    """,
    """
    INSERT INTO runs (run_uid, study_id, revision, model_name, model_version, model_family, model_label, model_digest,
                      catalogue_digest, software_version, preprocessing_profile, finished_at, clips)
    SELECT md5('run' || id), id, 1, 'bench', '1', 'bench', 'CLINICAL', repeat('1', 64), repeat('2', 64), '0', 'fast-1',
           state_since, '[]'
    FROM studies WHERE state IN ('DELIVERED', 'REPORTED', 'FAILED') ORDER BY id DESC
    """,
    "INSERT INTO current_runs (study_id, run_id) SELECT study_id, id FROM runs",
    """
    INSERT INTO results (run_id, task_id, verdict, value, score, threshold, outcome, agreement, method, clips)
    SELECT id, task,
           CASE WHEN task = 'lvef' THEN 'MEASURED' WHEN (id + ordinal) % 7 = 0 THEN 'PRESENT' ELSE 'ABSENT' END,
           CASE WHEN task = 'lvef' THEN 30 + id % 40 END, 0.2 + (id % 100) * 0.001, 0.29, NULL, 0.9, 'zero-shot', '[]'
    FROM runs, unnest(CAST(:tasks AS text[])) WITH ORDINALITY AS of_catalogue (task, ordinal)
    """,
    """
    INSERT INTO reports (study_id, run_id, kind, sop_instance_uid, sop_class_uid, spool_path, sha256, created_at,
                         language)
    SELECT study_id, id, 'sr', '2.25.8' || id, '1.2.840.10008.5.1.4.1.1.88.34', 'reports/' || id || '.dcm',
           md5(id::text), finished_at, 'en' FROM runs
    """,
    """
    INSERT INTO deliveries (report_id, destination, state, attempts, last_attempt_at, last_answer, delivered_at)
    SELECT reports.id, 'pacs',
           CASE studies.state WHEN 'REPORTED' THEN 'DUE' WHEN 'FAILED' THEN 'DEAD' ELSE 'DELIVERED' END, 1,
           reports.created_at, CASE studies.state WHEN 'FAILED' THEN '0xA900' ELSE '0x0000' END,
           CASE studies.state WHEN 'DELIVERED' THEN reports.created_at END
    FROM reports JOIN studies ON studies.id = study_id
    """,
    """
    INSERT INTO delivery_answers (delivery_id, at, state, answer)
    SELECT id, last_attempt_at, state, last_answer FROM deliveries
    """,
    """
    INSERT INTO discordances (study_id, run_id, found_at, rule, rules_version, field, severity, report_id, sides, state)
    SELECT study_id, id, finished_at, 'rule-' || id % 6, '1', 'lvef',
           CASE WHEN id % 3 = 0 THEN 'MAJOR' ELSE 'MINOR' END, '2.25.7' || id,
           json_build_array(
               json_build_object('kind', 'text-report', 'source', '2.25.7' || id, 'said', '55 %', 'start', 0, 'end', 4,
                                 'clips', json_build_array()),
               json_build_object('kind', 'images', 'source', 'MODEL', 'said', '31 %', 'start', NULL, 'end', NULL,
                                 'clips', json_build_array())),
           CASE WHEN id % 40 = 0 THEN 'CONFIRMED' ELSE 'NEW' END
    FROM runs WHERE id % 20 = 0
    """,
    """
    INSERT INTO study_embeddings (study_id, revision, embedder, preprocessing_profile, path, clips, frames, created_at)
    SELECT study_id, 1, repeat('e', 64), 'fast-1', 'embeddings/' || study_id, 3, 12, finished_at FROM runs
    """,
    """
    INSERT INTO study_devices (study_id, manufacturer, model, station)
    SELECT id, 'Maker', 'Model ' || id % 3, 'ROOM' || id % 5 FROM studies
    """,
)


def fill(session: Session, waiting: int, tasks: Sequence[str]) -> None:
    """So many studies that wait, and as many that are at rest."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    for statement in TABLES:
        given = (
            {"waiting": waiting} if ":waiting" in statement else {"tasks": list(tasks)} if ":tasks" in statement else {}
        )
        session.execute(text(statement), given)
