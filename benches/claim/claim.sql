-- A claim, one statement, as `take` in src/store/tasks/claim.rs runs it for a worker without labels.
-- :max_tasks is how much of the line it looks over (48 there), :budget_us what the tasks may take (200,000 a thread).
\set token random(1, 9000000000000000000)
\set worker random(1, 1000)
\set last_try true
SELECT '' AS none \gset
WITH line AS MATERIALIZED (
    SELECT id, cost_us, attempt, priority, turn FROM tasks
    WHERE state = 'queued' AND memory_bytes <= :memory_bytes
    AND available_at <= CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)
    AND (:last_try OR attempt = 0 OR attempt + 1 < max_attempts)
    AND requires = ANY (ARRAY[:none])
    ORDER BY priority DESC, turn, id
    LIMIT (SELECT COUNT(*) FROM (
        SELECT SUM(cost_us) OVER line_so_far - cost_us AS before_us,
               SUM(CASE WHEN attempt > 0 THEN 1 ELSE 0 END) OVER line_so_far AS n_tried
        FROM (SELECT id, cost_us, attempt, priority, turn FROM tasks
              WHERE state = 'queued' AND memory_bytes <= :memory_bytes
              AND available_at <= CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)
              AND (:last_try OR attempt = 0 OR attempt + 1 < max_attempts)
              AND requires = ANY (ARRAY[:none])
              ORDER BY priority DESC, turn, id LIMIT :max_tasks) AS ahead
        WINDOW line_so_far AS (ORDER BY priority DESC, turn, id)
    ) AS sized WHERE before_us < :budget_us AND (before_us = 0 OR n_tried = 0))
    FOR NO KEY UPDATE SKIP LOCKED),
claimed AS (
    UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_token = :token, worker = :worker,
                     lease_until = CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) + 30000
    WHERE id IN (
        SELECT id FROM (
            SELECT id, SUM(cost_us) OVER line_so_far - cost_us AS before_us,
                   SUM(CASE WHEN attempt > 0 THEN 1 ELSE 0 END) OVER line_so_far AS n_tried
            FROM line WINDOW line_so_far AS (ORDER BY priority DESC, turn, id)
        ) AS sized WHERE before_us < :budget_us AND (before_us = 0 OR n_tried = 0))
    RETURNING id, job_id, kind, idx, attempt, max_attempts, memory_bytes, available_at,
              CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) AS taken_at,
              EXISTS (SELECT 1 FROM checkpoints WHERE task_id = tasks.id) AS is_saved,
              set_config('synchronous_commit', 'off', TRUE) = 'off'
              AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND status = 'running') AS job_runs)
SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE is_saved OR job_runs AND taken_at > 0) AS known FROM claimed;
