-- What sessions cost and when they go on by themselves, who has written since one looked, and what open calls wait for.

ALTER TABLE session ADD COLUMN usd TEXT NOT NULL DEFAULT '0';   -- a decimal number: list price in US dollars, exactly
ALTER TABLE session ADD COLUMN wake_at INTEGER;
-- The number of the transaction that wrote the row last; a store counts those that write to any session.
ALTER TABLE session ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_moved ON session (moved);

-- Version 1 had no calls but delegations open, and said in the log alone to whom.
ALTER TABLE open_call ADD COLUMN state TEXT NOT NULL DEFAULT 'delegated';
ALTER TABLE open_call ADD COLUMN child TEXT NOT NULL DEFAULT '';    -- thread.id

UPDATE open_call SET child = opened.child
FROM (
    SELECT session, json_extract(body, '$.call') AS call, json_extract(body, '$.thread') AS child
    FROM (
        SELECT waiting.session, CAST(coalesce(record.body, blob.body) AS TEXT) AS body
        FROM (SELECT DISTINCT session FROM open_call) AS waiting
        JOIN record ON record.key > waiting.session << 32 AND record.key < (waiting.session + 1) << 32
        LEFT JOIN blob ON blob.hash = record.blob
    )
    WHERE CASE WHEN json_valid(body) THEN json_extract(body, '$.type') = 'delegation.opened' END
) AS opened
WHERE open_call.session = opened.session AND open_call.id = opened.call;
