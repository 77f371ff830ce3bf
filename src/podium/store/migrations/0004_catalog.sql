-- What the server keeps beside its sessions: agents, their versions, environments. Times are microseconds since 1970, UTC.

CREATE TABLE agent (
    no INTEGER PRIMARY KEY,         -- the order of lists
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,       -- the newest one
    created_at INTEGER NOT NULL,
    archived_at INTEGER,
    UNIQUE (workspace, id)
) STRICT;
CREATE INDEX agent_listed ON agent (workspace, no);

CREATE TABLE agent_version (
    agent INTEGER NOT NULL,         -- agent.no
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL,             -- JSON
    PRIMARY KEY (agent, version)
) STRICT;

CREATE TABLE environment (
    no INTEGER PRIMARY KEY,         -- the order of lists
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER,
    body BLOB NOT NULL,             -- JSON
    UNIQUE (workspace, id)
) STRICT;
CREATE INDEX environment_listed ON environment (workspace, no);
