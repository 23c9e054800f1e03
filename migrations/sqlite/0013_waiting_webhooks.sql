-- What each webhook waits for is found by itself, however much waits for another that hangs.

DROP INDEX deliveries_pending;
CREATE INDEX deliveries_pending ON deliveries (webhook_id, next_at) WHERE state = 'pending';
