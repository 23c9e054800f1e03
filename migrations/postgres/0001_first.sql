-- Times are milliseconds since 1970 by the database's clock. Every row carries its project.
-- The same tables as SQLite's after its migrations; documents are text there and here, because only
-- the server reads them. Ids are ordered by their bytes, whatever the database's language.

CREATE TABLE projects (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

INSERT INTO projects (id, name, created_at)
VALUES ('prj_00000000-0000-0000-0000-000000000000', 'default', 0);

CREATE TABLE datasets (
    id         TEXT COLLATE "C" PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name       TEXT,
    size_bytes BIGINT NOT NULL CHECK (size_bytes >= 0),
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    reading    TEXT NOT NULL, -- JSON: how to read it; apart, because each claim needs it
    content    TEXT NOT NULL, -- JSON: what is in it
    created_at BIGINT NOT NULL
);

CREATE INDEX datasets_by_project ON datasets (project_id, id);
CREATE INDEX datasets_by_blob ON datasets (sha256);

CREATE TABLE jobs (
    id             TEXT COLLATE "C" PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id),
    name           TEXT,
    dataset_id     TEXT NOT NULL,
    status         TEXT NOT NULL
        CHECK (status IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    spec           TEXT NOT NULL, -- JSON, as the client sent it
    resolved_spec  TEXT NOT NULL, -- JSON, every default filled in
    variants       TEXT,          -- JSON; null where there is one spec
    classes        TEXT NOT NULL, -- JSON, in the order of their indices
    warnings       TEXT NOT NULL, -- JSON
    n_pending      BIGINT NOT NULL CHECK (n_pending >= 0), -- fold tasks not yet published
    result         TEXT,          -- JSON
    error          TEXT,          -- JSON
    stop_reason    TEXT,
    load_us        BIGINT,
    fit_started_us BIGINT,        -- by the workers' clocks, in microseconds
    fit_ended_us   BIGINT,
    created_at     BIGINT NOT NULL,
    started_at     BIGINT,
    finished_at    BIGINT,
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
    CHECK ((result IS NOT NULL) = (status = 'succeeded')),
    CHECK ((error IS NOT NULL) = (status = 'failed')),
    CHECK (status <> 'succeeded' OR n_pending = 0)
);

CREATE INDEX jobs_by_project ON jobs (project_id, id);
CREATE INDEX jobs_by_dataset ON jobs (project_id, dataset_id, id);
CREATE INDEX jobs_unfinished ON jobs (project_id)
    WHERE status IN ('queued', 'running', 'cancelling');

CREATE TABLE tasks (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id),
    job_id       TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('fold', 'reduce')),
    idx          BIGINT NOT NULL,
    state        TEXT NOT NULL
        CHECK (state IN ('blocked', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    priority     BIGINT NOT NULL,
    cost_us      BIGINT NOT NULL CHECK (cost_us > 0), -- expected, for sizing a claim
    available_at BIGINT NOT NULL,
    attempt      BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    lease_token  TEXT,
    lease_until  BIGINT,
    worker       TEXT,
    -- The share of the latest attempt that is done.
    progress     DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    UNIQUE (job_id, kind, idx),
    CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CHECK (attempt <= max_attempts)
);

CREATE INDEX tasks_queue ON tasks (priority DESC, available_at, id) WHERE state = 'queued';
CREATE INDEX tasks_leases ON tasks (lease_token) WHERE state = 'running';

CREATE TABLE folds (
    job_id      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx         BIGINT NOT NULL,
    project_id  TEXT NOT NULL REFERENCES projects (id),
    result      TEXT NOT NULL, -- JSON
    n_test      BIGINT NOT NULL,
    predictions BYTEA NOT NULL, -- packed, see domain::predictions
    PRIMARY KEY (job_id, idx)
);

CREATE TABLE histories (
    job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx        BIGINT NOT NULL CHECK (idx >= -1), -- the fold, or -1 for the final training
    project_id TEXT NOT NULL REFERENCES projects (id),
    epochs     BYTEA NOT NULL, -- packed, see learn::training::History
    -- False while the training runs, and where it was broken off.
    finished   BOOLEAN NOT NULL DEFAULT TRUE,
    PRIMARY KEY (job_id, idx)
);

CREATE TABLE events (
    job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq        BIGINT NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    time       BIGINT NOT NULL,
    type       TEXT NOT NULL,
    data       TEXT NOT NULL, -- JSON object
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE models (
    id         TEXT COLLATE "C" PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name       TEXT,
    job_id     TEXT NOT NULL UNIQUE,
    dataset_id TEXT NOT NULL,
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    size_bytes BIGINT NOT NULL CHECK (size_bytes >= 0),
    card       TEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL
);

CREATE INDEX models_by_project ON models (project_id, id);
CREATE INDEX models_by_blob ON models (sha256);

CREATE TABLE idempotency_keys (
    project_id  TEXT NOT NULL REFERENCES projects (id),
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL, -- SHA-256 of the call and its body
    resource_id TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, key)
);
