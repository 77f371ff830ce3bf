-- The log, its projections, and who drives what. Times are microseconds since 1970, UTC.

CREATE TABLE session (
    no INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    agent TEXT NOT NULL,            -- version of the primary's definition
    agent_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    needs TEXT NOT NULL,            -- JSON array of texts
    program TEXT NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,               -- JSON
    paused INTEGER NOT NULL,
    usage TEXT NOT NULL,            -- JSON
    head INTEGER NOT NULL,          -- seq of the last record
    epoch INTEGER NOT NULL,         -- grows with each claim
    owner TEXT                      -- worker that drives it
) STRICT;

-- key = session.no << 32 | seq: one tree holds the log in the order it is read, without a second index.
CREATE TABLE record (
    key INTEGER PRIMARY KEY,
    thread INTEGER NOT NULL,        -- thread.no
    views INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB,                      -- NULL: in blob
    blob TEXT                       -- SHA-256 of a large body
) STRICT;

-- What must be unique in a session: the ids of listed events, and the one result of each call.
CREATE TABLE listed (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE answered (
    session INTEGER NOT NULL,
    call TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (session, call)
) WITHOUT ROWID, STRICT;

CREATE TABLE thread (
    no INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,       -- session.no
    id TEXT NOT NULL UNIQUE,
    parent TEXT,
    agent TEXT NOT NULL,
    agent_name TEXT NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    usage TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX thread_session ON thread (session);

CREATE TABLE open_call (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    thread TEXT NOT NULL,
    name TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE input (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    thread TEXT NOT NULL,
    queued_seq INTEGER NOT NULL,
    taken_seq INTEGER,
    PRIMARY KEY (session, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE definition (
    version TEXT PRIMARY KEY,       -- SHA-256 of the body
    body BLOB NOT NULL
) STRICT;

CREATE TABLE blob (
    hash TEXT PRIMARY KEY,          -- SHA-256 of the body
    body BLOB NOT NULL
) STRICT;
