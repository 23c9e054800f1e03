-- From where the next attempt of a task goes on.

CREATE TABLE checkpoints (
    task_id    BIGINT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64), -- the state's blob
    spent_ms   BIGINT NOT NULL CHECK (spent_ms >= 0)     -- what the fit has taken until then
);

CREATE INDEX checkpoints_by_blob ON checkpoints (sha256);
