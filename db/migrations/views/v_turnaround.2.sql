-- How long each study took, in its present revision: one row for each study that is closed. Times are when it first came
-- to a state; what it has not come to is NULL. Canaries are no patients: they are left out.
--
-- study_instance_uid: the study
-- state: where it is now
-- revision: that the times are of
-- received_at: when its first instance came, of whichever revision
-- last_instance_at: when its last instance came
-- calling_ae_title: who sent the first instance
-- ready_at: when it fell quiet and was closed
-- prepared_at: when its clips were tensors
-- scored_at: when it had results
-- reported_at: when its report lay in the spool
-- delivered_at: when every destination had what it gets
-- quiet_s: from the last instance to ready_at, in seconds
-- processing_s: from ready_at to reported_at
-- delivery_s: from reported_at to delivered_at
-- total_s: from the last instance to delivered_at
-- failed_attempts: of all steps; what a worker that was stopped handed back is none
SELECT
    t.study_instance_uid,
    t.state,
    t.revision,
    t.received_at,
    t.last_instance_at,
    (SELECT i.calling_ae_title FROM instances i WHERE i.study_id = t.id ORDER BY i.id LIMIT 1) AS calling_ae_title,
    t.ready_at,
    t.prepared_at,
    t.scored_at,
    t.reported_at,
    t.delivered_at,
    seconds_between(t.last_instance_at, t.ready_at) AS quiet_s,
    seconds_between(t.ready_at, t.reported_at) AS processing_s,
    seconds_between(t.reported_at, t.delivered_at) AS delivery_s,
    seconds_between(t.last_instance_at, t.delivered_at) AS total_s,
    t.failed_attempts
FROM (
    SELECT
        s.id,
        s.study_instance_uid,
        s.state,
        s.revision,
        s.created_at AS received_at,
        s.last_instance_at,
        min(CASE WHEN j.state_after = 'READY' THEN j.at END) AS ready_at,
        min(CASE WHEN j.state_after = 'PREPARED' THEN j.at END) AS prepared_at,
        min(CASE WHEN j.state_after = 'SCORED' THEN j.at END) AS scored_at,
        min(CASE WHEN j.state_after = 'REPORTED' THEN j.at END) AS reported_at,
        min(CASE WHEN j.state_after = 'DELIVERED' THEN j.at END) AS delivered_at,
        sum(CASE WHEN j.step IS NOT NULL AND j.attempt IS NOT NULL AND j.state_after = j.state_before THEN 1
                 WHEN j.step IS NOT NULL AND j.state_after = 'FAILED' THEN 1 ELSE 0 END) AS failed_attempts
    FROM studies s
    JOIN journal j ON j.study_id = s.id AND j.revision = s.revision
    WHERE s.state <> 'RECEIVING' AND is_of_patients(s.study_instance_uid)
    GROUP BY s.id, s.study_instance_uid, s.state, s.revision, s.created_at, s.last_instance_at
) t
