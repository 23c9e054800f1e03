-- Jobs that say for how long they are kept, in the order in which that is over.
CREATE INDEX jobs_kept ON jobs (finished_at + retention_ms)
    WHERE finished_at IS NOT NULL AND retention_ms IS NOT NULL;
