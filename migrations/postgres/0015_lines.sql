-- Where the lines are: the first that waits in each, and the last that was taken and runs.
CREATE INDEX tasks_lines ON tasks (priority, requires, turn, memory_bytes) WHERE state = 'queued';
CREATE INDEX tasks_taken ON tasks (priority, turn, requires) WHERE state = 'running';
