-- Each object that was made for the PACS, on its way to each destination.
--
-- study_instance_uid: the study
-- run_uid: the run that it says the results of
-- is_current: whether that is the study's current run
-- model_label: of the model: what its answers may be used for
-- kind: sr, heat-map or pdf
-- sop_instance_uid: of the object, as it was built
-- sent_as: its SOP Instance UID at the destination, where it went as Comprehensive SR; NULL: its own
-- created_at: when it was built
-- destination: by its name in the settings
-- state: DUE, SENT (accepted, storage commitment awaited), DELIVERED, DEAD (refused for good) or CANCELLED
-- attempts: how often the destination has answered to it
-- last_attempt_at: when it was last sent
-- next_attempt_at: when it is sent again, or its commitment is asked for again; NULL: at once, or never where it ended
-- last_answer: what the destination said last, in our words
-- commitment_asked_at: when the destination was last asked to commit to keeping it
-- delivered_at: when the destination had it
-- seconds_to_delivery: from created_at to delivered_at
SELECT
    s.study_instance_uid,
    u.run_uid,
    c.run_id IS NOT NULL AS is_current,
    u.model_label,
    o.kind,
    o.sop_instance_uid,
    d.sent_as,
    o.created_at,
    d.destination,
    d.state,
    d.attempts,
    d.last_attempt_at,
    d.next_attempt_at,
    d.last_answer,
    d.commitment_asked_at,
    d.delivered_at,
    seconds_between(o.created_at, d.delivered_at) AS seconds_to_delivery
FROM deliveries d
JOIN reports o ON o.id = d.report_id
JOIN runs u ON u.id = o.run_id
JOIN studies s ON s.id = o.study_id
LEFT JOIN current_runs c ON c.run_id = u.id
