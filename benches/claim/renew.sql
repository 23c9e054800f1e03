-- What a worker says of the one lease that it holds, every 5 s (Store::renew).
\set n random(1, 1000)
BEGIN;
SELECT CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) AS now, 'lease_' || :n AS lease \gset
SELECT id FROM tasks WHERE state = 'running' AND lease_token IN (VALUES (:lease)) ORDER BY id FOR NO KEY UPDATE;
UPDATE tasks SET lease_until = CAST(:now AS BIGINT) + 30000 WHERE lease_token = :lease AND state = 'running'
RETURNING id, (SELECT status FROM jobs WHERE jobs.id = tasks.job_id);
COMMIT;
