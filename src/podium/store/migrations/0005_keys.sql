-- Who may use the server, and what came of requests that are done once.

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

CREATE TABLE receipt (
    workspace TEXT NOT NULL,
    key TEXT NOT NULL,              -- the caller's
    fingerprint TEXT NOT NULL,      -- of the whole request
    response BLOB NOT NULL,         -- what came of it, as JSON
    at INTEGER NOT NULL,
    session INTEGER,                -- its no, if the response holds what is the session's
    PRIMARY KEY (workspace, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX receipt_at ON receipt (at);
CREATE INDEX receipt_session ON receipt (session) WHERE session IS NOT NULL;
