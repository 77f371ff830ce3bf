-- Lists of an agent's sessions are read in their order.

DROP INDEX session_agent;
CREATE INDEX session_agent ON session (workspace, agent_id, created_at);
