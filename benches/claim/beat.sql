-- A worker says that it lives, every 10 s (Store::beat).
\set n random(1, 1000)
BEGIN;
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now, 'wrk_' || :n AS worker \gset
INSERT INTO workers (id, name, version, labels, n_threads, memory_bytes, lease_ms, started_at, beat_at)
VALUES (:worker, 'worker', '0.1.0', '{}', 1, 8, 30000, :now, :now)
ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at;
COMMIT;
