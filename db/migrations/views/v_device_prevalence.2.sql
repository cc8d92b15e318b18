-- How often each yes-or-no question was answered with yes, by the month in which studies came: in the bundled catalogue
-- these are devices and prostheses. Of current results alone; models of different labels are never added up. Canaries
-- are no patients: none is counted. Asked for some months, only their studies are read.
--
-- month: its first day
-- task_id: the question
-- model_name: of the model that answered
-- model_version: of it
-- model_label: of it
-- studies: that were asked
-- present: answered with PRESENT
-- absent: answered with ABSENT
-- uncalibrated: scored without a threshold: neither
-- abstained: not answered
-- prevalence: 0 to 1, present of present and absent; NULL where nothing was answered. As the model sees it: its errors
--   are in it
SELECT
    q.month,
    q.task_id,
    q.model_name,
    q.model_version,
    q.model_label,
    q.studies,
    q.present,
    q.absent,
    q.uncalibrated,
    q.abstained,
    CAST(q.present AS double precision) / nullif(q.present + q.absent, 0) AS prevalence
FROM (
    SELECT
        month_of(s.created_at) AS month,
        r.task_id,
        u.model_name,
        u.model_version,
        u.model_label,
        count(*) AS studies,
        sum(CASE WHEN r.verdict = 'PRESENT' THEN 1 ELSE 0 END) AS present,
        sum(CASE WHEN r.verdict = 'ABSENT' THEN 1 ELSE 0 END) AS absent,
        sum(CASE WHEN r.verdict = 'UNCALIBRATED' AND r.outcome IS NULL THEN 1 ELSE 0 END) AS uncalibrated,
        sum(CASE WHEN r.verdict = 'ABSTAINED' THEN 1 ELSE 0 END) AS abstained
    FROM studies s
    JOIN current_runs c ON c.study_id = s.id
    JOIN runs u ON u.id = c.run_id
    JOIN results r ON r.run_id = u.id
    WHERE is_of_patients(s.study_instance_uid)
    GROUP BY month_of(s.created_at), r.task_id, u.model_name, u.model_version, u.model_label
) q
WHERE q.present + q.absent + q.uncalibrated > 0
