-- What came each day, by who sent it: a machine that has fallen silent is seen by its last row. Canaries
-- come from ourselves: none is counted. Asked for some days, only what came then is read.
--
-- day: in UTC
-- calling_ae_title: who sent it; NULL of what was taken in without an association
-- modality: as the images have it
-- studies: that instances came for
-- instances: that came
-- bytes: that they have together
-- stored_only: instances that a rule keeps from being scored
-- first_at: when the first of the day came
-- last_at: when the last of the day came
SELECT
    day_of(i.received_at) AS day,
    i.calling_ae_title,
    i.modality,
    count(DISTINCT i.study_id) AS studies,
    count(*) AS instances,
    CAST(sum(i.size_bytes) AS bigint) AS bytes,
    sum(CASE WHEN i.action = 'store' THEN 1 ELSE 0 END) AS stored_only,
    min(i.received_at) AS first_at,
    max(i.received_at) AS last_at
FROM instances i
JOIN studies s ON s.id = i.study_id
WHERE is_of_patients(s.study_instance_uid)
GROUP BY day_of(i.received_at), i.calling_ae_title, i.modality
