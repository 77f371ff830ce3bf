-- Statements of the keys of the API on SQLite.

-- name: key: one
SELECT id, workspace, name, scopes, hash, created_at, last_used_at, expires_at, revoked_at, made_by_server
FROM api_key WHERE id = ?;

-- name: keys: all, oldest first
SELECT id, workspace, name, scopes, hash, created_at, last_used_at, expires_at, revoked_at, made_by_server
FROM api_key ORDER BY created_at, id;

-- name: insert_key: a new one
INSERT INTO api_key (
    id, workspace, name, scopes, hash, created_at, last_used_at, expires_at, revoked_at, made_by_server
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: revoke_key: for good; the first time counts
UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL;

-- name: use_key: it was used at this time, and not since that one
UPDATE api_key SET last_used_at = :at WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :before);
