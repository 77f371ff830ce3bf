-- Statements of the catalog on SQLite. All begin with the workspace.

-- name: agent: that version, or the newest
SELECT agent.id, agent.workspace, agent_version.version, agent.created_at, agent_version.created_at, agent.archived_at, body
FROM agent JOIN agent_version ON agent_version.agent = agent.no AND agent_version.version = coalesce(:version, agent.version)
WHERE agent.workspace = :workspace AND agent.id = :id;

-- name: agents: a page, newest first
SELECT agent.id, agent.workspace, agent_version.version, agent.created_at, agent_version.created_at, agent.archived_at,
    body, agent.no
FROM agent JOIN agent_version ON agent_version.agent = agent.no AND agent_version.version = agent.version
WHERE agent.workspace = :workspace AND agent.no < coalesce(:after, 9223372036854775807)
  AND (:archived OR agent.archived_at IS NULL)
  AND agent.created_at > coalesce(:gt, -9223372036854775807) AND agent.created_at >= coalesce(:gte, -9223372036854775807)
  AND agent.created_at < coalesce(:lt, 9223372036854775807) AND agent.created_at <= coalesce(:lte, 9223372036854775807)
ORDER BY agent.no DESC LIMIT :limit;

-- name: agent_versions: a page of one agent's, newest first
SELECT agent.id, agent.workspace, agent_version.version, agent.created_at, agent_version.created_at, agent.archived_at,
    body, agent_version.version
FROM agent JOIN agent_version ON agent_version.agent = agent.no
WHERE agent.workspace = :workspace AND agent.id = :id
  AND agent_version.version < coalesce(:after, 9223372036854775807)
ORDER BY agent_version.version DESC LIMIT :limit;

-- name: insert_agent: before its first version
INSERT INTO agent (workspace, id, version, created_at, archived_at)
VALUES (:workspace, :id, :version, :created_at, :archived_at);

-- name: update_agent: its newest version, or that it is archived
UPDATE agent SET version = :version, archived_at = :archived_at WHERE workspace = :workspace AND id = :id;

-- name: insert_version: never changed afterwards
INSERT INTO agent_version (agent, version, created_at, body)
SELECT no, :version, :updated_at, :body FROM agent WHERE workspace = :workspace AND id = :id;

-- name: environment: one row
SELECT id, workspace, created_at, updated_at, archived_at, body FROM environment
WHERE workspace = :workspace AND id = :id;

-- name: environments: a page, newest first
SELECT id, workspace, created_at, updated_at, archived_at, body, no FROM environment
WHERE workspace = :workspace AND no < coalesce(:after, 9223372036854775807) AND (:archived OR archived_at IS NULL)
  AND created_at > coalesce(:gt, -9223372036854775807) AND created_at >= coalesce(:gte, -9223372036854775807)
  AND created_at < coalesce(:lt, 9223372036854775807) AND created_at <= coalesce(:lte, 9223372036854775807)
ORDER BY no DESC LIMIT :limit;

-- name: insert_environment: a new one
INSERT INTO environment (workspace, id, created_at, updated_at, archived_at, body)
VALUES (:workspace, :id, :created_at, :updated_at, :archived_at, :body);

-- name: update_environment: it has no versions
UPDATE environment SET updated_at = :updated_at, archived_at = :archived_at, body = :body
WHERE workspace = :workspace AND id = :id;

-- name: sessions_in_environment: those that refer to it
SELECT count(*) FROM session WHERE environment = :id AND workspace = :workspace AND deleted_at IS NULL;

-- name: delete_environment: for good
DELETE FROM environment WHERE workspace = :workspace AND id = :id;
