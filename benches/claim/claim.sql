-- A claim, one statement, as `take` in src/store/tasks/claim.rs runs it for a worker without labels.
-- :max_tasks is how much of the line it looks over (48 there), :budget_us what the tasks may take (200,000 a thread).
\set token random(1, 9000000000000000000)
\set worker random(1, 1000)
SELECT '' AS none \gset
WITH line AS MATERIALIZED (
    SELECT id, cost_us, priority, turn FROM tasks
    WHERE state = 'queued' AND memory_bytes <= :memory_bytes
    AND available_at <= CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)
    AND requires = ANY (ARRAY[:none])
    ORDER BY priority DESC, turn, id
    LIMIT (SELECT COUNT(*) FROM (
        SELECT SUM(cost_us) OVER (ORDER BY priority DESC, turn, id) - cost_us AS before_us
        FROM (SELECT id, cost_us, priority, turn FROM tasks
              WHERE state = 'queued' AND memory_bytes <= :memory_bytes
              AND available_at <= CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)
              AND requires = ANY (ARRAY[:none])
              ORDER BY priority DESC, turn, id LIMIT :max_tasks) AS ahead
    ) AS sized WHERE before_us < :budget_us)
    FOR NO KEY UPDATE SKIP LOCKED),
claimed AS (
    UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = :token, worker = :worker,
                     lease_until = CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) + 30000
    WHERE id IN (
        SELECT id FROM (
            SELECT id, SUM(cost_us) OVER (
                       ORDER BY priority DESC, turn, id
                   ) - cost_us AS before_us FROM line
        ) AS sized WHERE before_us < :budget_us)
    RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes, available_at,
              EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id) AS is_saved,
              set_config('synchronous_commit', 'off', TRUE) = 'off'
              AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND status = 'running') AS job_runs)
SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE is_saved OR job_runs) AS known FROM claimed;
