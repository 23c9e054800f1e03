-- Blobs that a sweep is about to delete or has deleted lately: who is about to name one stores it again.
CREATE TABLE leaving (
    sha256    TEXT PRIMARY KEY,
    mark      TEXT NOT NULL,   -- whose deletion it is
    marked_at BIGINT NOT NULL,
    until     BIGINT NOT NULL  -- no deletion happens after that
);
