-- A hint: one job changed.
\set n random(1, 1000000)
SELECT pg_notify('trainyard_watchers', '01234567-89ab-cdef-0123-456789abcdef job_' || :n);
