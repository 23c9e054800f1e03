-- Whether a webhook's receiver gave no answer in time to the last message that it was sent.

ALTER TABLE webhooks ADD COLUMN hangs INTEGER NOT NULL DEFAULT 0 CHECK (hangs IN (0, 1));
