-- Jobs of one status and the messages of a webhook are listed newest first, however many others there are.

CREATE INDEX jobs_by_status ON jobs (project_id, status, id);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, id);

-- Jobs that may wait for others, which all workers look for all the time.
CREATE INDEX jobs_resting ON jobs (id) WHERE status IN ('waiting', 'paused') AND started_at IS NULL;
