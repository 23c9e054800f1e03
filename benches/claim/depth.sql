-- What GET /metrics asks for (Store::queue).
SELECT name, COUNT(*) FROM tasks JOIN projects ON projects.id = tasks.project_id
WHERE state = 'queued' GROUP BY name;
SELECT name, COUNT(*) FROM tasks JOIN projects ON projects.id = tasks.project_id
WHERE state = 'running' GROUP BY name;
