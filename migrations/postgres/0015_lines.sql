-- Where the lines are: the first that waits in each, and the last that was taken and runs.
--
-- Every task costs something. That it is asked for keeps this index from the claim, which would read and sort the
-- whole of a line by it where PostgreSQL knows nothing of the table yet.
CREATE INDEX tasks_lines ON tasks (priority, requires, turn, memory_bytes)
    WHERE state = 'queued' AND cost_us > 0;
CREATE INDEX tasks_taken ON tasks (priority, turn, requires) WHERE state = 'running';
