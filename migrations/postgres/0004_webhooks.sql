-- Who is told when something happens to a job, and what they were told.

CREATE TABLE webhooks (
    id         TEXT COLLATE "C" PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    url        TEXT NOT NULL,
    events     TEXT NOT NULL, -- JSON, a list of names; empty for all
    secret     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX webhooks_by_project ON webhooks (project_id, id);

-- Written in the transaction of the event; sent afterwards.
CREATE TABLE deliveries (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id   TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    project_id   TEXT NOT NULL REFERENCES projects (id),
    job_id       TEXT NOT NULL,
    seq          BIGINT NOT NULL, -- the event's place in the job's log
    type         TEXT NOT NULL,
    payload      TEXT NOT NULL,    -- JSON, the bytes that are signed and sent
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempt      BIGINT NOT NULL,
    next_at      BIGINT NOT NULL, -- when it is sent next, or again should its sender be lost
    last_status  BIGINT,          -- HTTP's
    last_error   TEXT,
    created_at   BIGINT NOT NULL,
    delivered_at BIGINT,
    UNIQUE (webhook_id, job_id, seq)
);

CREATE INDEX deliveries_pending ON deliveries (next_at) WHERE state = 'pending';
