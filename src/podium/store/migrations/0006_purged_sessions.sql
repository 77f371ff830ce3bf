-- Deleted sessions are taken out of the file some time later. Their rows stay, so that no id is used again.

ALTER TABLE session ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_deleted ON session (deleted_at) WHERE deleted_at IS NOT NULL AND purged = 0;
CREATE INDEX record_blob ON record (blob) WHERE blob IS NOT NULL;
