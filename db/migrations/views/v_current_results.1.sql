-- The answers that count: one row for each task of each study's current run. A study that is being scored again, or to
-- which a late instance came, keeps them until its next run has ended: then run_revision is less than study_revision.
--
-- study_instance_uid: the study
-- study_state: where the study is on its way
-- study_revision: counts from 1; a late instance makes the next
-- received_at: when its first instance came
-- calling_ae_title: who sent that instance
-- run_uid: the run that answered
-- run_revision: the revision of the study that the run looked at
-- finished_at: when the run ended
-- model_name: of the model pack
-- model_version: of the model pack
-- model_label: CLINICAL, RESEARCH, DEMO or UNTRAINED: what its answers may be used for
-- model_digest: SHA-256 of the model pack
-- catalogue_digest: SHA-256 of the tasks and their prompts
-- calibration_digest: of the site's calibration that decided; NULL where there was none
-- software_version: of EchoWorker
-- preprocessing_profile: how clips became tensors
-- clips_used: the number of clips that the run looked at
-- task_id: the task, by its id in the catalogue
-- verdict: MEASURED, PRESENT, ABSENT, CLASSIFIED, UNCALIBRATED or ABSTAINED
-- value: of a MEASURED answer, in unit
-- unit: UCUM code
-- score: what is compared with threshold; of ordered classes the place on their scale
-- threshold: NULL where there is none
-- outcome: the class of a CLASSIFIED answer; with another verdict it is no answer
-- spread: standard deviation of what each frame says alone
-- agreement: 0 to 1, the share of the frames that alone give this answer
-- method: how it was answered, as zero-shot
-- reason: why there is no answer, or what has to be known of it
SELECT
    s.study_instance_uid,
    s.state AS study_state,
    s.revision AS study_revision,
    s.created_at AS received_at,
    (SELECT i.calling_ae_title FROM instances i WHERE i.study_id = s.id ORDER BY i.id LIMIT 1) AS calling_ae_title,
    u.run_uid,
    u.revision AS run_revision,
    u.finished_at,
    u.model_name,
    u.model_version,
    u.model_label,
    u.model_digest,
    u.catalogue_digest,
    u.calibration_digest,
    u.software_version,
    u.preprocessing_profile,
    json_array_length(u.clips) AS clips_used,
    r.task_id,
    r.verdict,
    r.value,
    r.unit,
    r.score,
    r.threshold,
    r.outcome,
    r.spread,
    r.agreement,
    r.method,
    r.reason
FROM current_runs c
JOIN studies s ON s.id = c.study_id
JOIN runs u ON u.id = c.run_id
JOIN results r ON r.run_id = u.id
