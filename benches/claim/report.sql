-- How far the one fit of a worker is, each second, with the 10 kB that its epochs take (Store::report).
\set n random(1, 1000)
BEGIN;
SELECT 'lease_' || :n AS lease, id AS task, attempt FROM tasks
WHERE state = 'running' AND lease_token = 'lease_' || :n \gset
UPDATE tasks SET progress = CASE WHEN progress > 0.5 THEN progress ELSE 0.5 END
WHERE id = :task AND attempt = :attempt AND lease_token = :lease AND state = 'running'
RETURNING project_id, job_id, CASE kind WHEN 'fold' THEN idx ELSE -1 END AS idx \gset
INSERT INTO histories (job_id, idx, project_id, epochs, finished)
VALUES (:job_id, :idx, :project_id, (SELECT epochs FROM made_up_epochs), FALSE)
ON CONFLICT (job_id, idx) DO UPDATE SET epochs = excluded.epochs;
COMMIT;
