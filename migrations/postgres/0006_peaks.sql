-- How much memory a task was seen to use.

ALTER TABLE tasks ADD COLUMN peak_bytes BIGINT CHECK (peak_bytes >= 0);
