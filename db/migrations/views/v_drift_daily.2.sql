-- The distribution of each task's numbers by the day on which studies came, and by who sent them. Of current results:
-- a night in which all is scored again moves no study to another day. Quantiles are nearest-rank, so each is a number
-- that some study has. Canaries are no patients: none is counted. Asked for some days, only their studies are read.
--
-- day: on which the first instance came, in UTC
-- calling_ae_title: who sent that instance
-- model_name: of the model that answered
-- model_version: of it
-- model_label: of it
-- model_digest: SHA-256 of its pack: only numbers of one pack can be compared
-- task_id: the task
-- unit: of the numbers, UCUM; NULL of scores
-- studies: that the task was asked of
-- answered: with a verdict other than ABSTAINED and UNCALIBRATED
-- uncalibrated: scored without a threshold
-- abstained: not answered
-- numbers: how many of them have a number: the value, or the score
-- mean: of the numbers
-- minimum: of the numbers
-- p10: a tenth of the numbers are not greater
-- median: of an even count the lower of the two in the middle
-- p90: nine tenths of the numbers are not greater
-- maximum: of the numbers
SELECT
    n.day,
    n.calling_ae_title,
    n.model_name,
    n.model_version,
    n.model_label,
    n.model_digest,
    n.task_id,
    max(n.unit) AS unit,
    count(*) AS studies,
    sum(CASE WHEN n.verdict IN ('ABSTAINED', 'UNCALIBRATED') THEN 0 ELSE 1 END) AS answered,
    sum(CASE WHEN n.verdict = 'UNCALIBRATED' THEN 1 ELSE 0 END) AS uncalibrated,
    sum(CASE WHEN n.verdict = 'ABSTAINED' THEN 1 ELSE 0 END) AS abstained,
    count(n.number) AS numbers,
    avg(n.number) AS mean,
    min(n.number) AS minimum,
    max(CASE WHEN n.place = (n.numbers + 9) / 10 THEN n.number END) AS p10,
    max(CASE WHEN n.place = (n.numbers + 1) / 2 THEN n.number END) AS median,
    max(CASE WHEN n.place = (n.numbers * 9 + 9) / 10 THEN n.number END) AS p90,
    max(n.number) AS maximum
FROM (
    SELECT
        a.*,
        row_number() OVER (
            PARTITION BY a.day, a.calling_ae_title, a.model_name, a.model_version, a.model_label, a.model_digest,
                a.task_id, a.number IS NULL
            ORDER BY a.number
        ) AS place,
        count(a.number) OVER (
            PARTITION BY a.day, a.calling_ae_title, a.model_name, a.model_version, a.model_label, a.model_digest,
                a.task_id
        ) AS numbers
    FROM (
        SELECT
            day_of(s.created_at) AS day,
            (SELECT i.calling_ae_title FROM instances i WHERE i.study_id = s.id ORDER BY i.id LIMIT 1)
                AS calling_ae_title,
            u.model_name,
            u.model_version,
            u.model_label,
            u.model_digest,
            r.task_id,
            r.unit,
            r.verdict,
            CASE WHEN r.verdict <> 'ABSTAINED' THEN coalesce(r.value, r.score) END AS number
        FROM studies s
        JOIN current_runs c ON c.study_id = s.id
        JOIN runs u ON u.id = c.run_id
        JOIN results r ON r.run_id = u.id
        WHERE is_of_patients(s.study_instance_uid)
    ) a
) n
GROUP BY n.day, n.calling_ae_title, n.model_name, n.model_version, n.model_label, n.model_digest, n.task_id
