-- What names a job or a dataset is compared as their ids are: an index of one collation is no help in a
-- comparison by another.
ALTER TABLE jobs ALTER COLUMN dataset_id TYPE TEXT COLLATE "C";
ALTER TABLE models
    ALTER COLUMN dataset_id TYPE TEXT COLLATE "C",
    ALTER COLUMN job_id TYPE TEXT COLLATE "C";
ALTER TABLE tasks ALTER COLUMN job_id TYPE TEXT COLLATE "C";
ALTER TABLE folds ALTER COLUMN job_id TYPE TEXT COLLATE "C";
ALTER TABLE histories ALTER COLUMN job_id TYPE TEXT COLLATE "C";
ALTER TABLE events ALTER COLUMN job_id TYPE TEXT COLLATE "C";
ALTER TABLE deliveries ALTER COLUMN job_id TYPE TEXT COLLATE "C";
ALTER TABLE idempotency_keys ALTER COLUMN resource_id TYPE TEXT COLLATE "C";
