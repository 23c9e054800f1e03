-- A claim's transaction, as Store::claim in src/store/tasks/claim.rs runs it for a worker without labels.
-- :max_tasks is its LIMIT (256 there), :budget_us what the tasks may take (200,000 a thread).
\set token random(1, 9000000000000000000)
\set worker random(1, 1000)
BEGIN;
SELECT '' AS none \gset
WITH line AS MATERIALIZED (
    SELECT id, cost_us, priority, turn FROM tasks
    WHERE state = 'queued' AND memory_bytes <= :memory_bytes
    AND available_at <= CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)
    AND requires IN (VALUES (:none))
    ORDER BY priority DESC, turn, id LIMIT :max_tasks FOR NO KEY UPDATE SKIP LOCKED),
claimed AS (
    UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = :token, worker = :worker,
                     lease_until = CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) + 30000
    WHERE id IN (
        SELECT id FROM (
            SELECT id, SUM(cost_us) OVER (
                       ORDER BY priority DESC, turn, id
                   ) - cost_us AS before_us FROM line
        ) AS sized WHERE before_us < :budget_us)
    RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes,
              EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id) AS is_saved,
              EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND status = 'running') AS job_runs)
SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE is_saved OR job_runs) AS known,
       COALESCE(MIN(job_id), '') AS job FROM claimed \gset
\if :n
UPDATE jobs SET status = 'running', started_at = COALESCE(started_at, 1)
WHERE id IN (SELECT id FROM jobs WHERE id IN (:job) AND status = 'queued' FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id;
\endif
COMMIT;
