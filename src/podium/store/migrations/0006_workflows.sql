-- Runs of workflows: the one of a session that has not ended, and the one that made a thread; '' for none.

ALTER TABLE session ADD COLUMN open_run TEXT NOT NULL DEFAULT '';
ALTER TABLE thread ADD COLUMN workflow_run TEXT NOT NULL DEFAULT '';
