-- Where reports and images of a study, or two reports, do not agree; and what somebody who looked thought of it.
--
-- discordance_id: as in echoworker discordances
-- study_instance_uid: the study
-- found_at: when a check first found it, for this run
-- rule: that found it
-- rules_version: of the rules
-- field: what it is about: the id of a task, or of what only reports name
-- severity: MAJOR: it may change what is done for the patient; or MINOR
-- confidence: 0 to 1; NULL between reports
-- first_kind: what the first side is: measurement-report or text-report
-- first_source: its SOP Instance UID, or received_reports.report_id
-- first_said: in a few words
-- second_kind: what the other side is: images, earlier-study, or a report
-- second_source: model, the id of a report, or the Study Instance UID of an earlier study
-- second_said: in a few words
-- run_uid: the run that was compared
-- model_name: of its model
-- model_version: of its model
-- model_label: of its model
-- state: NEW, CONFIRMED or DISMISSED
-- is_open: whether somebody is still to look at it
-- superseded_at: when a later check did not find it any more, or a later run had it
-- reviewed_at: when somebody looked
-- reviewed_by: who
-- review_reason: what they said
SELECT
    d.id AS discordance_id,
    s.study_instance_uid,
    d.found_at,
    d.rule,
    d.rules_version,
    d.field,
    d.severity,
    d.confidence,
    text_in(d.sides, 0, kind) AS first_kind,
    text_in(d.sides, 0, source) AS first_source,
    text_in(d.sides, 0, said) AS first_said,
    text_in(d.sides, 1, kind) AS second_kind,
    text_in(d.sides, 1, source) AS second_source,
    text_in(d.sides, 1, said) AS second_said,
    u.run_uid,
    u.model_name,
    u.model_version,
    u.model_label,
    d.state,
    d.state = 'NEW' AND d.superseded_at IS NULL AS is_open,
    d.superseded_at,
    d.reviewed_at,
    d.reviewed_by,
    d.review_reason
FROM discordances d
JOIN studies s ON s.id = d.study_id
JOIN runs u ON u.id = d.run_id
