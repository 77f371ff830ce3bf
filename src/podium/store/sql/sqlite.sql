-- Statements of the SQLite store. Those that read take the session's id, those that write its row number.

-- name: insert_session: a new session, owned by its creator
INSERT INTO session
    (workspace, id, title, metadata, agent, agent_name, agent_id, agent_number, environment, has_prices, budget, created_at,
    updated_at, needs, program, status, stop_reason, paused, usage, head, epoch, owner)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, '{}', 0, 1, ?);

-- name: session_head: what an append checks, and builds on
SELECT no, epoch, head, owner FROM session WHERE id = ?;

-- name: update_session: after the appends of a group
UPDATE session
SET status = ?, stop_reason = ?, usage = ?, usd = ?, wake_at = ?, active_s = ?, threads_s = ?, running_since = ?,
    over_budget = ?, open_run = ?, head = ?, updated_at = max(updated_at, ?), owner = ?, moved = ?
WHERE no = ?;

-- name: describe_session: what people say of it
UPDATE session SET title = ?, metadata = ?, budget = ?, archived_at = ?, deleted_at = ? WHERE no = ?;

-- name: pause_session: or let it be taken up again
UPDATE session SET paused = ? WHERE no = ?;

-- name: claim_session: a new epoch and owner
UPDATE session SET epoch = epoch + 1, owner = ?, moved = ? WHERE id = ?;

-- name: last_moved: the number of the last transaction that wrote to a session
SELECT coalesce(max(moved), 0) FROM session;

-- name: moved_since: sessions that were written to after that transaction
SELECT id, moved FROM session WHERE moved > ? ORDER BY moved;

-- name: session: one row
SELECT id, workspace, title, metadata, budget, archived_at, deleted_at, agent, agent_name, agent_id, agent_number,
    environment, has_prices, created_at, updated_at, needs, program, status, stop_reason, usage, usd, wake_at, active_s,
    threads_s, running_since, over_budget, open_run, paused, head, epoch, owner
FROM session WHERE id = ? AND deleted_at IS NULL;

-- name: sessions: newest first
SELECT id, workspace, title, metadata, budget, archived_at, deleted_at, agent, agent_name, agent_id, agent_number,
    environment, has_prices, created_at, updated_at, needs, program, status, stop_reason, usage, usd, wake_at, active_s,
    threads_s, running_since, over_budget, open_run, paused, head, epoch, owner
FROM session WHERE deleted_at IS NULL ORDER BY no DESC;

-- name: owners: workers that own a session
SELECT DISTINCT owner FROM session WHERE owner IS NOT NULL;

-- name: insert_record: one entry of the log
INSERT INTO record (key, thread, views, at, body, blob) VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_listed: an event's id, unique in its session
INSERT INTO listed (session, id, seq) VALUES (?, ?, ?);

-- name: insert_answered: a call has its one result
INSERT INTO answered (session, call, seq) VALUES (?, ?, ?);

-- name: records: a page of the log
SELECT record.key, thread.id, record.views, record.at, coalesce(record.body, blob.body)
FROM record JOIN thread ON thread.no = record.thread LEFT JOIN blob ON blob.hash = record.blob
WHERE record.key > (SELECT no << 32 | ? FROM session WHERE session.id = ?)
  AND record.key < (SELECT (no + 1) << 32 FROM session WHERE session.id = ?)
ORDER BY record.key LIMIT ?;

-- name: insert_thread: before its first record; a thread that another process made is only changed
INSERT INTO thread
    (session, id, parent, agent, agent_name, workflow_run, status, stop_reason, usage, created_at, updated_at, usd,
    active_s, running_since)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    agent = excluded.agent, status = excluded.status, stop_reason = excluded.stop_reason, usage = excluded.usage,
    updated_at = excluded.updated_at, usd = excluded.usd, active_s = excluded.active_s,
    running_since = excluded.running_since
WHERE session = excluded.session
RETURNING no;

-- name: update_thread: its status changed
UPDATE thread
SET agent = ?, status = ?, stop_reason = ?, usage = ?, updated_at = ?, usd = ?, active_s = ?, running_since = ?
WHERE id = ?;

-- name: thread_no: its row number
SELECT no FROM thread WHERE id = ? AND session = ?;

-- name: threads: in the order they were created
SELECT thread.id, parent, thread.agent, thread.agent_name, thread.status, thread.stop_reason, thread.usage,
    thread.created_at, thread.updated_at, thread.usd, thread.active_s, thread.running_since, thread.workflow_run
FROM thread JOIN session ON session.no = thread.session WHERE session.id = ? ORDER BY thread.no;

-- name: open_call: a call begins to wait for its result
INSERT INTO open_call (session, id, thread, name, input_hash, state, child) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: answer_call: a person or a program answered it; only one of many answers changes a row
UPDATE open_call SET state = 'answered' WHERE session = ? AND id = ? AND state IN ('asks', 'client');

-- name: close_call: it has one
DELETE FROM open_call WHERE session = ? AND id = ?;

-- name: move_call: another child works on it now
UPDATE open_call SET child = ? WHERE session = ? AND id = ?;

-- name: open_calls: all of a session
SELECT open_call.id, thread, name, input_hash, state, child
FROM open_call JOIN session ON session.no = open_call.session WHERE session.id = ? ORDER BY open_call.id;

-- name: queue_input: it was accepted; what is processed as it comes is taken with it
INSERT INTO input (session, id, thread, queued_seq, taken_seq) VALUES (?, ?, ?, ?, ?);

-- name: take_input: the driver took it; an input that was never queued has no row
UPDATE input SET taken_seq = ? WHERE session = ? AND id = ? AND taken_seq IS NULL;

-- name: waiting_input: one that a driver going idle would overlook
SELECT 1 FROM input WHERE session = ? AND queued_seq > ? AND (taken_seq IS NULL OR taken_seq = queued_seq) LIMIT 1;

-- name: inputs: all of a session
SELECT input.id, thread, queued_seq, taken_seq
FROM input JOIN session ON session.no = input.session WHERE session.id = ? AND queued_seq > ? ORDER BY queued_seq;

-- name: insert_definition: the same content is the same version
INSERT OR IGNORE INTO definition (version, body) VALUES (?, ?);

-- name: definition: by version
SELECT body FROM definition WHERE version = ?;

-- name: insert_blob: the same content is the same blob
INSERT OR IGNORE INTO blob (hash, body) VALUES (?, ?);

-- name: receipt: what came of a request that was done
SELECT fingerprint, response FROM receipt WHERE workspace = ? AND key = ?;

-- name: insert_receipt: it was done
INSERT INTO receipt (workspace, key, fingerprint, response, at, session)
VALUES (?, ?, ?, ?, ?, (SELECT no FROM session WHERE id = ?));

-- name: forget_receipts: those of requests that were done before this time
DELETE FROM receipt WHERE at < ?;

-- name: deleted_before: sessions that were deleted before this time and are still in the file
SELECT no, id FROM session WHERE deleted_at < ? AND purged = 0;

-- name: blobs_of: the large bodies of a session
SELECT DISTINCT blob FROM record WHERE key > ? << 32 AND key < (? + 1) << 32 AND blob IS NOT NULL;

-- name: purge_records: its log
DELETE FROM record WHERE key > ? << 32 AND key < (? + 1) << 32;

-- name: purge_blob: unless another record holds it too
DELETE FROM blob WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM record WHERE record.blob = blob.hash);

-- name: purged: only the row is left, which keeps the id taken
UPDATE session SET purged = 1, title = '', metadata = '{}' WHERE no = ?;

-- name: all_sessions: which of them, and in which order, follows
SELECT id, workspace, title, metadata, budget, archived_at, deleted_at, agent, agent_name, agent_id, agent_number,
    environment, has_prices, created_at, updated_at, needs, program, status, stop_reason, usage, usd, wake_at, active_s,
    threads_s, running_since, over_budget, open_run, paused, head, epoch, owner
FROM session;

-- name: listed_threads: what a session's object shows of its threads
SELECT thread.id, parent, thread.agent, thread.running_since
FROM thread JOIN session ON session.no = thread.session
WHERE session.id = ? AND (parent IS NULL OR thread.running_since IS NOT NULL);

-- name: shown: what a thread's stream shows of a part of the log
SELECT record.key, thread.id, record.views, record.at, coalesce(record.body, blob.body)
FROM record JOIN thread ON thread.no = record.thread LEFT JOIN blob ON blob.hash = record.blob
WHERE record.key > (SELECT no << 32 | :low FROM session WHERE session.id = :session)
  AND record.key <= (SELECT no << 32 | :high FROM session WHERE session.id = :session)
  AND ((thread.id = :thread AND record.views & :own) OR record.views & :seen_on)
ORDER BY record.key;

-- name: shown_desc: the same, the newest first
SELECT record.key, thread.id, record.views, record.at, coalesce(record.body, blob.body)
FROM record JOIN thread ON thread.no = record.thread LEFT JOIN blob ON blob.hash = record.blob
WHERE record.key > (SELECT no << 32 | :low FROM session WHERE session.id = :session)
  AND record.key <= (SELECT no << 32 | :high FROM session WHERE session.id = :session)
  AND ((thread.id = :thread AND record.views & :own) OR record.views & :seen_on)
ORDER BY record.key DESC;

-- name: listed_at: where the event of this id stands
SELECT listed.seq FROM listed JOIN session ON session.no = listed.session WHERE session.id = ? AND listed.id = ?;

-- name: environment_now: whether a session can still be made in it
SELECT archived_at FROM environment WHERE workspace = ? AND id = ?;
