-- The trace that a job's tasks go on, as W3C's Trace Context writes it.

ALTER TABLE jobs ADD COLUMN traceparent TEXT;
