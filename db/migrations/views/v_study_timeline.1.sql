-- What happened to each study, in order: its transitions and failed attempts, from the journal.
--
-- study_instance_uid: the study
-- place: counts from 1, the first thing that happened to it
-- revision: of the study, at that time
-- at: when it happened
-- step: the step that ended or failed; NULL where nothing was worked on
-- state_before: NULL of the first
-- state_after: the same as before where an attempt failed
-- attempt: the number of the attempt of the step
-- duration_ms: how long the attempt took; of deliveries, from the report on
-- host: the machine that did it
-- reason: why it failed, was skipped, or was set back
-- seconds_since: from what happened before; NULL of the first
SELECT
    e.study_instance_uid,
    e.place,
    e.revision,
    e.at,
    e.step,
    e.state_before,
    e.state_after,
    e.attempt,
    e.duration_ms,
    e.host,
    e.reason,
    seconds_between(e.before, e.at) AS seconds_since
FROM (
    SELECT
        s.study_instance_uid,
        row_number() OVER (PARTITION BY s.study_instance_uid ORDER BY j.id) AS place,
        lag(j.at) OVER (PARTITION BY s.study_instance_uid ORDER BY j.id) AS before,
        j.revision,
        j.at,
        j.step,
        j.state_before,
        j.state_after,
        j.attempt,
        j.duration_ms,
        j.host,
        j.reason
    FROM journal j
    JOIN studies s ON s.id = j.study_id
) e
