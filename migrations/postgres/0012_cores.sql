-- The cores of a worker's machine beside the threads that it trains with; null of an older program's.

ALTER TABLE workers ADD COLUMN n_cores BIGINT CHECK (n_cores > 0);
