-- What a client sees of a checkpoint; null of those that were saved before.

ALTER TABLE checkpoints ADD COLUMN epoch BIGINT CHECK (epoch >= 0); -- null too where there is no such number
ALTER TABLE checkpoints ADD COLUMN size_bytes BIGINT CHECK (size_bytes >= 0);
ALTER TABLE checkpoints ADD COLUMN saved_at BIGINT;
