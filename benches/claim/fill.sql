-- A queue of :n_tasks over 20 projects, as many tasks that have ended, and 1,000 that run.
-- Half of the jobs have folds of 5 ms, a third of 2 s, the rest of 90 s; a tenth need a GPU.

SET synchronous_commit = off;

INSERT INTO projects (id, name, created_at)
SELECT 'prj_' || n, 'project ' || n, 0 FROM generate_series(1, 20) AS n;

INSERT INTO datasets (id, project_id, size_bytes, sha256, reading, content, created_at)
SELECT 'ds_' || n, 'prj_' || n, 1000, repeat('0', 64), '{}', '{}', 0 FROM generate_series(1, 20) AS n;

-- Sizes of jobs in turns: 3 folds, 10, 30 and 300 (a search, or a long repetition).
CREATE TEMPORARY TABLE plans AS
SELECT n, 'job_' || lpad(n::text, 32, '0') AS id, 1 + n % 20 AS project,
       (ARRAY[10, 3, 30, 10, 300, 10, 3])[1 + n % 7] AS n_folds,
       (ARRAY[5000, 5000, 5000, 2000000, 2000000, 90000000])[1 + n % 6]::BIGINT AS cost_us,
       (CASE WHEN n % 20 = 7 THEN 5 ELSE 0 END)::BIGINT AS priority,
       CASE WHEN n % 10 = 3 THEN 'gpu=true' ELSE '' END AS requires,
       (100 + 37 * (n % 50))::BIGINT << 20 AS memory_bytes,
       n % 2 = 0 AS has_ended
FROM generate_series(1, 2 * :n_tasks / 52) AS n;

INSERT INTO jobs (id, project_id, dataset_id, status, spec, resolved_spec, classes, warnings,
                  n_pending, result, created_at, started_at, finished_at, priority)
SELECT id, 'prj_' || project, 'ds_' || project,
       CASE WHEN has_ended THEN 'succeeded' ELSE 'running' END, repeat('x', 400), repeat('x', 1500),
       '["a","b"]', '[]', CASE WHEN has_ended THEN 0 ELSE n_folds END,
       CASE WHEN has_ended THEN '{}' END, n, n, CASE WHEN has_ended THEN n + 1 END, priority
FROM plans;

-- The turn: how much of its own project's work stands before a task (store/jobs/plan.rs).
INSERT INTO tasks (project_id, job_id, kind, idx, state, priority, cost_us, available_at, attempt,
                   max_attempts, turn, requires, memory_bytes)
SELECT 'prj_' || project, id, 'fold', idx, CASE WHEN has_ended THEN 'succeeded' ELSE 'queued' END,
       priority, cost_us, 0, has_ended::INT, 3, start + cost_us * idx, requires, memory_bytes
FROM (SELECT *, SUM(n_folds * cost_us) OVER (PARTITION BY project, priority ORDER BY n)
                - n_folds * cost_us AS start FROM plans) AS placed
CROSS JOIN LATERAL generate_series(0, n_folds - 1) AS idx
ORDER BY n, idx;

INSERT INTO tasks (project_id, job_id, kind, idx, state, priority, cost_us, available_at, attempt,
                   max_attempts, turn, requires, memory_bytes)
SELECT 'prj_' || project, id, 'reduce', 0, CASE WHEN has_ended THEN 'succeeded' ELSE 'blocked' END,
       priority, cost_us, 0, has_ended::INT, 3, 0, requires, memory_bytes FROM plans;

-- A thousand workers with a task each.
INSERT INTO workers (id, name, version, labels, n_threads, memory_bytes, lease_ms, started_at, beat_at)
SELECT 'wrk_' || n, 'worker-' || n, '0.1.0', '{}', 1, 8::BIGINT << 30, 30000, 0,
       CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
FROM generate_series(1, 1000) AS n;

UPDATE tasks SET state = 'running', attempt = 1, worker = 'wrk_' || running.n,
                 lease_token = 'lease_' || running.n,
                 lease_until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + 86400000
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM tasks WHERE state = 'queued'
      ORDER BY id LIMIT 1000) AS running
WHERE tasks.id = running.id;

-- What a fit's epochs take; random, since such numbers cannot be packed smaller.
CREATE TABLE made_up_epochs AS
SELECT decode(string_agg(md5(n::text || random()), ''), 'hex') AS epochs FROM generate_series(1, 640) AS n;

VACUUM ANALYZE;
