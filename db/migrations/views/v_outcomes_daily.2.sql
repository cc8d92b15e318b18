-- How often each answer was given, by the day on which studies came, and by who sent them: of classes and yes-or-no
-- questions what v_drift_daily is of numbers. Canaries are no patients: none is counted. Asked for some days, only
-- their studies are read.
--
-- day: on which the first instance came, in UTC
-- calling_ae_title: who sent that instance
-- model_name: of the model that answered
-- model_version: of it
-- model_label: of it
-- model_digest: SHA-256 of its pack
-- task_id: the task
-- verdict: as in v_current_results
-- outcome: the class; NULL where the verdict is not CLASSIFIED
-- studies: that got this answer
SELECT
    a.day,
    a.calling_ae_title,
    a.model_name,
    a.model_version,
    a.model_label,
    a.model_digest,
    a.task_id,
    a.verdict,
    a.outcome,
    count(*) AS studies
FROM (
    SELECT
        day_of(s.created_at) AS day,
        (SELECT i.calling_ae_title FROM instances i WHERE i.study_id = s.id ORDER BY i.id LIMIT 1) AS calling_ae_title,
        u.model_name,
        u.model_version,
        u.model_label,
        u.model_digest,
        r.task_id,
        r.verdict,
        CASE WHEN r.verdict = 'CLASSIFIED' THEN r.outcome END AS outcome
    FROM studies s
    JOIN current_runs c ON c.study_id = s.id
    JOIN runs u ON u.id = c.run_id
    JOIN results r ON r.run_id = u.id
    WHERE is_of_patients(s.study_instance_uid)
) a
GROUP BY
    a.day, a.calling_ae_title, a.model_name, a.model_version, a.model_label, a.model_digest, a.task_id, a.verdict,
    a.outcome
