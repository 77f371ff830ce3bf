-- What the server's API says of sessions and threads: names and notes, times, costs.

ALTER TABLE session ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';     -- JSON: texts by key
ALTER TABLE session ADD COLUMN budget TEXT;                             -- a decimal number: US dollars
ALTER TABLE session ADD COLUMN archived_at INTEGER;
ALTER TABLE session ADD COLUMN deleted_at INTEGER;
ALTER TABLE session ADD COLUMN agent_id TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent_number INTEGER NOT NULL DEFAULT 1;
ALTER TABLE session ADD COLUMN environment TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN has_prices INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN active_s REAL NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN threads_s REAL NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN running_since INTEGER;
ALTER TABLE session ADD COLUMN over_budget INTEGER NOT NULL DEFAULT 0;
UPDATE session SET agent_id = 'agent_' || substr(agent, 1, 24), updated_at = created_at;
CREATE INDEX session_created ON session (workspace, created_at);
CREATE INDEX session_agent ON session (workspace, agent_id, created_at);
-- Deleted sessions are taken out of the file some time later. Their rows stay, so that no id is used again.
ALTER TABLE session ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_deleted ON session (deleted_at) WHERE deleted_at IS NOT NULL AND purged = 0;
CREATE INDEX record_blob ON record (blob) WHERE blob IS NOT NULL;
CREATE INDEX session_environment ON session (environment) WHERE environment != '';

ALTER TABLE thread ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN usd TEXT;                                 -- as of its last idle
ALTER TABLE thread ADD COLUMN active_s REAL NOT NULL DEFAULT 0;
ALTER TABLE thread ADD COLUMN running_since INTEGER;
UPDATE thread SET updated_at = created_at;

-- A driver asks for what came since it looked last.
CREATE INDEX input_queued ON input (session, queued_seq);
