-- Times are milliseconds since 1970 by the database's clock. Every row carries its project.

CREATE TABLE projects (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

INSERT INTO projects (id, name, created_at)
VALUES ('prj_00000000-0000-0000-0000-000000000000', 'default', 0);

CREATE TABLE datasets (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name       TEXT,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    csv        TEXT NOT NULL, -- JSON: how to read it; apart, because each claim needs it
    content    TEXT NOT NULL, -- JSON: what is in it
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX datasets_by_project ON datasets (project_id, id);
CREATE INDEX datasets_by_blob ON datasets (sha256);

CREATE TABLE jobs (
    id             TEXT PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id),
    name           TEXT,
    dataset_id     TEXT NOT NULL,
    status         TEXT NOT NULL
        CHECK (status IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    spec           TEXT NOT NULL, -- JSON, as the client sent it
    resolved_spec  TEXT NOT NULL, -- JSON, every default filled in
    classes        TEXT NOT NULL, -- JSON, in the order of their indices
    warnings       TEXT NOT NULL, -- JSON
    n_pending      INTEGER NOT NULL CHECK (n_pending >= 0), -- fold tasks not yet published
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

CREATE INDEX jobs_by_project ON jobs (project_id, id);
CREATE INDEX jobs_by_dataset ON jobs (project_id, dataset_id, id);
CREATE INDEX jobs_unfinished ON jobs (project_id)
    WHERE status IN ('queued', 'running', 'cancelling');

CREATE TABLE tasks (
    id           INTEGER PRIMARY KEY,
    project_id   TEXT NOT NULL REFERENCES projects (id),
    job_id       TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL CHECK (kind IN ('fold', 'reduce')),
    idx          INTEGER NOT NULL,
    state        TEXT NOT NULL
        CHECK (state IN ('blocked', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    priority     INTEGER NOT NULL,
    cost_us      INTEGER NOT NULL CHECK (cost_us > 0), -- expected, for sizing a claim
    available_at INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    lease_token  TEXT,
    lease_until  INTEGER,
    worker       TEXT,
    UNIQUE (job_id, kind, idx),
    CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CHECK (attempt <= max_attempts)
) STRICT;

CREATE INDEX tasks_queue ON tasks (priority DESC, available_at, id) WHERE state = 'queued';
CREATE INDEX tasks_leases ON tasks (lease_token) WHERE state = 'running';

CREATE TABLE folds (
    job_id      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx         INTEGER NOT NULL,
    project_id  TEXT NOT NULL REFERENCES projects (id),
    result      TEXT NOT NULL, -- JSON
    n_test      INTEGER NOT NULL,
    predictions BLOB NOT NULL, -- packed, see domain::predictions
    PRIMARY KEY (job_id, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    time       INTEGER NOT NULL,
    type       TEXT NOT NULL,
    data       TEXT NOT NULL, -- JSON object
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE models (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name       TEXT,
    job_id     TEXT NOT NULL UNIQUE,
    dataset_id TEXT NOT NULL,
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    card       TEXT NOT NULL, -- JSON
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX models_by_project ON models (project_id, id);
CREATE INDEX models_by_blob ON models (sha256);

CREATE TABLE idempotency_keys (
    project_id  TEXT NOT NULL REFERENCES projects (id),
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL, -- SHA-256 of the call and its body
    resource_id TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (project_id, key)
) STRICT, WITHOUT ROWID;
