-- Who may use the server.

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,           -- JSON: a list of texts
    hash BLOB NOT NULL,             -- SHA-256 of the secret
    created_at INTEGER NOT NULL,    -- microseconds since 1970, as all times here
    last_used_at INTEGER,
    expires_at INTEGER,
    revoked_at INTEGER,
    made_by_server INTEGER NOT NULL -- 1: at the first start, and not by the user
) STRICT, WITHOUT ROWID;
