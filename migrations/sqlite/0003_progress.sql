-- How far a task's training is, and its epochs so far, while it runs.

-- The share of the latest attempt that is done.
ALTER TABLE tasks ADD COLUMN progress REAL NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1);

-- 0 while the training runs, and where it was broken off.
ALTER TABLE histories ADD COLUMN finished INTEGER NOT NULL DEFAULT 1 CHECK (finished IN (0, 1));
