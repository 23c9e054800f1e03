-- How long a job has rested since it started, which does not count against max_ms.

ALTER TABLE jobs ADD COLUMN paused_at INTEGER; -- when it was last told to rest
ALTER TABLE jobs ADD COLUMN paused_ms INTEGER NOT NULL DEFAULT 0 CHECK (paused_ms >= 0); -- that rest not counted

UPDATE jobs SET paused_at = (SELECT MAX(time) FROM events WHERE job_id = jobs.id AND type = 'paused')
WHERE status = 'paused';
