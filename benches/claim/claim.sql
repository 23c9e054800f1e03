-- A claim's transaction, as Store::claim in src/store/tasks.rs runs it for a worker without labels.
-- :max_tasks is its LIMIT (256 there), :budget_us what the tasks may take (200,000 a thread).
\set token random(1, 9000000000000000000)
\set worker random(1, 1000)
BEGIN;
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now, '' AS none \gset
WITH line AS MATERIALIZED (
    SELECT id, cost_us, priority, turn FROM tasks
    WHERE state = 'queued' AND available_at <= :now AND memory_bytes <= :memory_bytes
    AND requires IN (VALUES (:none))
    ORDER BY priority DESC, turn, id LIMIT :max_tasks FOR UPDATE SKIP LOCKED),
claimed AS (
    UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = :token,
                     lease_until = CAST(:now AS BIGINT) + 30000, worker = :worker
    WHERE id IN (
        SELECT id FROM (
            SELECT id, SUM(cost_us) OVER (
                       ORDER BY priority DESC, turn, id
                   ) - cost_us AS before_us FROM line
        ) AS sized WHERE before_us < :budget_us)
    RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes)
SELECT COUNT(*) AS n, COALESCE(MIN(id), 0) AS task, COALESCE(MIN(job_id), '') AS job FROM claimed \gset
\if :n
SELECT task_id, sha256, spent_ms FROM checkpoints WHERE task_id IN (VALUES (CAST(:task AS BIGINT)));
SELECT project_id, status FROM jobs WHERE id = :job FOR UPDATE;
\endif
COMMIT;
