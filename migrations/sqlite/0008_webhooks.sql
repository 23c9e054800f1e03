-- Who is told when something happens to a job, and what they were told.

CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    url        TEXT NOT NULL,
    events     TEXT NOT NULL, -- JSON, a list of names; empty for all
    secret     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX webhooks_by_project ON webhooks (project_id, id);

-- Written in the transaction of the event; sent afterwards.
CREATE TABLE deliveries (
    id           INTEGER PRIMARY KEY,
    webhook_id   TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    project_id   TEXT NOT NULL REFERENCES projects (id),
    job_id       TEXT NOT NULL,
    seq          INTEGER NOT NULL, -- the event's place in the job's log
    type         TEXT NOT NULL,
    payload      TEXT NOT NULL,    -- JSON, the bytes that are signed and sent
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempt      INTEGER NOT NULL,
    next_at      INTEGER NOT NULL, -- when it is sent next, or again should its sender be lost
    last_status  INTEGER,          -- HTTP's
    last_error   TEXT,
    created_at   INTEGER NOT NULL,
    delivered_at INTEGER,
    UNIQUE (webhook_id, job_id, seq)
) STRICT;

CREATE INDEX deliveries_pending ON deliveries (next_at) WHERE state = 'pending';
