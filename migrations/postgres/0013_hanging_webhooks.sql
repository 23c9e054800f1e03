-- Whether a webhook's receiver gave no answer in time to the last message that it was sent.

ALTER TABLE webhooks ADD COLUMN hangs BOOLEAN NOT NULL DEFAULT FALSE;
