-- Jobs that wait for others and jobs that rest; who may take a task, and in which order; who works.

ALTER TABLE jobs DROP CONSTRAINT jobs_status_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_status_check
    CHECK (status IN ('waiting', 'queued', 'running', 'paused', 'cancelling', 'succeeded',
                      'failed', 'cancelled'));
ALTER TABLE jobs ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN max_parallel BIGINT CHECK (max_parallel > 0);
ALTER TABLE jobs ADD COLUMN max_ms BIGINT CHECK (max_ms > 0);
ALTER TABLE jobs ADD COLUMN retention_ms BIGINT CHECK (retention_ms >= 0);

DROP INDEX jobs_unfinished;
CREATE INDEX jobs_unfinished ON jobs (project_id, status)
    WHERE status IN ('waiting', 'queued', 'running', 'paused', 'cancelling');
CREATE INDEX jobs_limited ON jobs (started_at) WHERE status = 'running' AND max_ms IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE dependencies (
    job_id     TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    after_id   TEXT COLLATE "C" NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    PRIMARY KEY (job_id, after_id)
);

CREATE INDEX dependencies_by_after ON dependencies (after_id);

ALTER TABLE tasks ADD COLUMN requires TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN memory_bytes BIGINT NOT NULL DEFAULT 0;

DROP INDEX tasks_queue;
CREATE INDEX tasks_queue ON tasks (priority DESC, turn, id) WHERE state = 'queued';
CREATE INDEX tasks_turns ON tasks (project_id, priority, turn) WHERE state = 'queued';

CREATE TABLE workers (
    id           TEXT COLLATE "C" PRIMARY KEY,
    name         TEXT NOT NULL,
    version      TEXT NOT NULL,
    labels       TEXT NOT NULL,
    n_threads    BIGINT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    lease_ms     BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    beat_at      BIGINT NOT NULL
);
