-- What waits for a person: failed studies, dead deliveries of current objects, open discordances, unmatched reports.
--
-- kind: failed-study, dead-delivery, discordance or unmatched-report
-- study_instance_uid: the study; NULL of an unmatched report
-- since: from when on it waits
-- severity: of a discordance MAJOR or MINOR; NULL of others
-- about: the step that failed, the destination, the field of the discordance, or the way by which the report came
-- reason: what happened, or what the two sides say
SELECT
    'failed-study' AS kind,
    s.study_instance_uid,
    s.state_since AS since,
    NULL AS severity,
    s.failed_step AS about,
    s.reason
FROM studies s
WHERE s.state = 'FAILED'
UNION ALL
SELECT 'dead-delivery', s.study_instance_uid, d.last_attempt_at, NULL, d.destination, d.last_answer
FROM deliveries d
JOIN reports o ON o.id = d.report_id
JOIN current_runs c ON c.run_id = o.run_id
JOIN studies s ON s.id = o.study_id
WHERE d.state = 'DEAD'
UNION ALL
SELECT
    'discordance', s.study_instance_uid, d.found_at, d.severity, d.field,
    text_in(d.sides, 0, said) || ' | ' || text_in(d.sides, 1, said)
FROM discordances d
JOIN studies s ON s.id = d.study_id
WHERE d.state = 'NEW' AND d.superseded_at IS NULL
UNION ALL
SELECT 'unmatched-report', NULL, p.received_at, NULL, p.via, p.why_unmatched
FROM received_reports p
WHERE p.study_id IS NULL AND p.superseded_by IS NULL AND p.status <> 'cancelled'
