-- How much memory a task was seen to use.

ALTER TABLE tasks ADD COLUMN peak_bytes INTEGER CHECK (peak_bytes >= 0);
