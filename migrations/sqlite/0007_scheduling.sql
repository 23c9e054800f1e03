-- Jobs that wait for others and jobs that rest; who may take a task, and in which order; who works.
-- The table of jobs is made anew, because SQLite cannot change a CHECK; the store brings the schema up
-- to date without foreign keys, which would take everything else with it.

CREATE TABLE new_jobs (
    id             TEXT PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id),
    name           TEXT,
    dataset_id     TEXT NOT NULL,
    status         TEXT NOT NULL
        CHECK (status IN ('waiting', 'queued', 'running', 'paused', 'cancelling', 'succeeded',
                          'failed', 'cancelled')),
    spec           TEXT NOT NULL, -- JSON, as the client sent it
    resolved_spec  TEXT NOT NULL, -- JSON, every default filled in
    variants       TEXT,          -- JSON; null where there is one spec
    classes        TEXT NOT NULL, -- JSON, in the order of their indices
    warnings       TEXT NOT NULL, -- JSON
    n_pending      INTEGER NOT NULL CHECK (n_pending >= 0), -- fold tasks not yet published
    priority       INTEGER NOT NULL DEFAULT 0,
    max_parallel   INTEGER CHECK (max_parallel > 0), -- folds at once; null for any number
    max_ms         INTEGER CHECK (max_ms > 0),       -- from its start to its end
    retention_ms   INTEGER CHECK (retention_ms >= 0), -- kept so long after its end
    result         TEXT,          -- JSON
    error          TEXT,          -- JSON
    stop_reason    TEXT,
    load_us        INTEGER,
    fit_started_us INTEGER,       -- by the workers' clocks, in microseconds
    fit_ended_us   INTEGER,
    created_at     INTEGER NOT NULL,
    started_at     INTEGER,
    finished_at    INTEGER,
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
    CHECK ((result IS NOT NULL) = (status = 'succeeded')),
    CHECK ((error IS NOT NULL) = (status = 'failed')),
    CHECK (status <> 'succeeded' OR n_pending = 0)
) STRICT;

INSERT INTO new_jobs (id, project_id, name, dataset_id, status, spec, resolved_spec, variants, classes,
                      warnings, n_pending, result, error, stop_reason, load_us, fit_started_us,
                      fit_ended_us, created_at, started_at, finished_at)
SELECT id, project_id, name, dataset_id, status, spec, resolved_spec, variants, classes,
       warnings, n_pending, result, error, stop_reason, load_us, fit_started_us,
       fit_ended_us, created_at, started_at, finished_at FROM jobs;

DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE INDEX jobs_by_project ON jobs (project_id, id);
CREATE INDEX jobs_by_dataset ON jobs (project_id, dataset_id, id);
CREATE INDEX jobs_unfinished ON jobs (project_id, status)
    WHERE status IN ('waiting', 'queued', 'running', 'paused', 'cancelling');
CREATE INDEX jobs_limited ON jobs (started_at) WHERE status = 'running' AND max_ms IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Which jobs a job waits for.
CREATE TABLE dependencies (
    job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    after_id   TEXT NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    PRIMARY KEY (job_id, after_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX dependencies_by_after ON dependencies (after_id);

-- A worker's labels must include these: 'gpu=true,zone=a', in order; '' for any worker.
ALTER TABLE tasks ADD COLUMN requires TEXT NOT NULL DEFAULT '';
-- Of the tasks of one priority the smallest is the next: microseconds of its project's work until it.
ALTER TABLE tasks ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- Expected, for not taking more than a machine has.
ALTER TABLE tasks ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;

DROP INDEX tasks_queue;
CREATE INDEX tasks_queue ON tasks (priority DESC, turn, id) WHERE state = 'queued';
CREATE INDEX tasks_turns ON tasks (project_id, priority, turn) WHERE state = 'queued';

CREATE TABLE workers (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,    -- its host and process, for people
    version      TEXT NOT NULL,
    labels       TEXT NOT NULL,    -- JSON
    n_threads    INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL, -- what its tasks may use
    lease_ms     INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    beat_at      INTEGER NOT NULL
) STRICT;
