-- How often each answer was given, by the day on which studies came, and by who sent them: of classes and yes-or-no
-- questions what v_drift_daily is of numbers.
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
    day_of(s.created_at) AS day,
    i.calling_ae_title,
    u.model_name,
    u.model_version,
    u.model_label,
    u.model_digest,
    r.task_id,
    r.verdict,
    CASE WHEN r.verdict = 'CLASSIFIED' THEN r.outcome END AS outcome,
    count(*) AS studies
FROM current_runs c
JOIN studies s ON s.id = c.study_id
JOIN runs u ON u.id = c.run_id
JOIN results r ON r.run_id = u.id
LEFT JOIN (SELECT study_id, min(id) AS id FROM instances GROUP BY study_id) f ON f.study_id = s.id
LEFT JOIN instances i ON i.id = f.id
GROUP BY
    day_of(s.created_at), i.calling_ae_title, u.model_name, u.model_version, u.model_label, u.model_digest, r.task_id,
    r.verdict, CASE WHEN r.verdict = 'CLASSIFIED' THEN r.outcome END
