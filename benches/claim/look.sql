-- What each worker looks for every 1.5 s beside tasks: leases that ran out (Store::reap), and jobs
-- whose time has come (Store::move_on).
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now \gset
SELECT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND lease_until < :now);
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now \gset
SELECT id FROM (
    SELECT id, status, (
        SELECT MAX(CASE WHEN other.status = 'succeeded' THEN 0
                        WHEN other.status IN ('failed', 'cancelled') THEN 2 ELSE 1 END)
        FROM dependencies JOIN jobs AS other ON other.id = after_id
        WHERE job_id = jobs.id) AS worst
    FROM jobs WHERE status IN ('waiting', 'paused') AND started_at IS NULL) AS resting
WHERE worst = 2 OR status = 'waiting' AND COALESCE(worst, 0) = 0
ORDER BY id LIMIT 100;
SELECT id FROM jobs WHERE status = 'running'
AND max_ms IS NOT NULL AND started_at + paused_ms + max_ms < :now ORDER BY started_at LIMIT 100;
COMMIT;
