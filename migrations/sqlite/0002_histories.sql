-- What the epochs of each training of a job were like: of its folds and of its final model.

CREATE TABLE histories (
    job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx        INTEGER NOT NULL CHECK (idx >= -1), -- the fold, or -1 for the final training
    project_id TEXT NOT NULL REFERENCES projects (id),
    epochs     BLOB NOT NULL, -- packed, see learn::training::History
    PRIMARY KEY (job_id, idx)
) STRICT, WITHOUT ROWID;
