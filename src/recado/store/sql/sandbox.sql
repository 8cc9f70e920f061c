-- name: receive
-- Hand a message to a phone and schedule what follows, or tell why not. One statement, so that nothing of it is half done.
WITH phone AS MATERIALIZED (
    -- The lock keeps a phone from connecting between our look and our insert: what we hold back would wait forever.
    SELECT * FROM sandbox_phones WHERE company_id = $1 AND number = $5 FOR SHARE
), facts AS MATERIALIZED (
    SELECT s.status, s.reason, p.fail_kind, p.fail_code, p.fail_after,
           coalesce(p.ack, 'read') AS ack, coalesce(p.latency_ms, 300) AS latency_ms, coalesce(p.connected, true) AS online,
           coalesce(p.fail_rate, 0) > $11::float8 AS fails, coalesce(p.timeout_rate, 0) > $12::float8 AS answer_lost,
           EXISTS (SELECT FROM sandbox_messages WHERE company_id = $1 AND message_id = $4) AS known,
           -- Whom the account blocked may answer; nobody hears it.
           CASE WHEN p.auto_reply IS NOT NULL AND NOT EXISTS (
               SELECT FROM sandbox_things
               WHERE company_id = $1 AND account = s.phone AND kind = 'blocked' AND id = $5
           ) THEN p.auto_reply END AS auto_reply,
           CASE WHEN p.per_minute IS NOT NULL THEN (
               SELECT accepted_at + interval '1 minute' FROM sandbox_messages
               WHERE company_id = $1 AND number = $5 ORDER BY sequence DESC OFFSET p.per_minute - 1 LIMIT 1
           ) END AS full_until
    FROM (VALUES (true)) AS one (row)
    LEFT JOIN sandbox_sessions s ON s.company_id = $1 AND s.connection_id = $2
    LEFT JOIN phone p ON true
), verdict AS MATERIALIZED (
    SELECT *, CASE WHEN status IS DISTINCT FROM 'connected' THEN 'not_connected'
                   WHEN known THEN 'received'
                   WHEN full_until > $10::timestamptz THEN 'full'
                   WHEN fails THEN fail_kind
                   ELSE 'received' END AS verdict
    FROM facts
), added AS (
    INSERT INTO sandbox_messages AS m (company_id, message_id, connection_id, instance_id, number, type, content, reply_to,
                                       media, accepted_at, received_at)
    SELECT $1, $4, $2, $3, $5, $6, $7::jsonb, $8, $9::jsonb, $10, CASE WHEN online THEN $10::timestamptz END
    FROM verdict WHERE verdict = 'received'
    ON CONFLICT (company_id, message_id) DO UPDATE SET count = m.count + 1
    RETURNING m.xmax = 0 AS is_new
), steps AS (
    SELECT v.*, state, step
    FROM verdict v, added a, unnest(
        ARRAY['server_ack']
        || CASE WHEN ack <> 'none' THEN ARRAY['delivered'] ELSE '{}' END
        || CASE WHEN ack = 'read' THEN ARRAY['read'] ELSE '{}' END
        || CASE WHEN ack = 'read' AND $6 IN ('audio', 'voice', 'ptv') THEN ARRAY['played'] ELSE '{}' END
        || CASE WHEN auto_reply IS NOT NULL AND $6 NOT IN ('reaction', 'edit', 'delete', 'pin') THEN ARRAY['reply'] ELSE '{}' END
    ) WITH ORDINALITY AS t (state, step)
    WHERE a.is_new
), reply AS (
    INSERT INTO sandbox_written (company_id, id, connection_id, number, type, content, written_at)
    SELECT $1, $13, $2, $5, 'text', jsonb_build_object('body', auto_reply), $10 FROM steps WHERE state = 'reply'
), jobs AS (
    INSERT INTO sandbox_jobs (company_id, connection_id, number, event, payload, due_at, after_ms)
    SELECT $1, $2, $5, CASE state WHEN 'reply' THEN 'message' ELSE 'receipt' END,
           CASE state WHEN 'reply'
               THEN jsonb_build_object('id', $13::uuid, 'from', $5::text, 'type', 'text',
                                       'content', jsonb_build_object('body', auto_reply))
               ELSE jsonb_build_object('message_id', $4::uuid, 'to', $5::text, 'state', state) END,
           CASE WHEN online OR state = 'server_ack' THEN $10::timestamptz + make_interval(secs => step * latency_ms / 1000.0) END,
           (step - 1) * latency_ms
    FROM steps ORDER BY step
)
SELECT verdict, status, reason, fail_code AS code, answer_lost,
       CASE verdict WHEN 'full' THEN extract(epoch FROM full_until - $10::timestamptz)::float8 ELSE fail_after END AS after
FROM verdict

-- name: find_message
-- Whether a message was handed to a phone.
SELECT EXISTS (SELECT FROM sandbox_messages WHERE company_id = $1 AND message_id = $2)

-- name: list_messages
-- What a phone received, in order.
SELECT sequence, message_id, instance_id, type, content, media, reply_to, count, received_at
FROM sandbox_messages
WHERE company_id = $1 AND number = $2 AND sequence > $3 AND received_at IS NOT NULL
  AND ($4::uuid IS NULL OR instance_id = $4)
ORDER BY sequence LIMIT $5

-- name: count_messages
-- How often messages were handed to a phone, and how many different ones.
SELECT coalesce(sum(count), 0)::bigint AS total, count(*) AS distinct
FROM sandbox_messages
WHERE company_id = $1 AND number = $2 AND received_at IS NOT NULL AND ($3::uuid IS NULL OR instance_id = $3)

-- name: get_phone
-- How a phone was told to behave.
SELECT * FROM sandbox_phones WHERE company_id = $1 AND number = $2

-- name: put_phone
-- Tell a phone how to behave from now on.
INSERT INTO sandbox_phones (company_id, number, auto_reply, ack, latency_ms, fail_kind, fail_code, fail_rate, fail_after,
                            timeout_rate, connected, per_minute)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (company_id, number) DO UPDATE
SET auto_reply = excluded.auto_reply, ack = excluded.ack, latency_ms = excluded.latency_ms,
    fail_kind = excluded.fail_kind, fail_code = excluded.fail_code, fail_rate = excluded.fail_rate,
    fail_after = excluded.fail_after, timeout_rate = excluded.timeout_rate, connected = excluded.connected,
    per_minute = excluded.per_minute

-- name: share_phone
-- Whether a phone is on, and keep it so until the transaction ends.
SELECT connected FROM sandbox_phones WHERE company_id = $1 AND number = $2 FOR SHARE

-- name: arrive_waiting
-- A phone is on again: it gets what waited for it.
UPDATE sandbox_messages SET received_at = $3 WHERE company_id = $1 AND number = $2 AND received_at IS NULL

-- name: write
-- Keep a message that a phone writes.
INSERT INTO sandbox_written (company_id, id, connection_id, number, type, content, media, written_at, name)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: get_media
-- The bytes of the media of a message that a phone wrote.
SELECT media FROM sandbox_written WHERE company_id = $1 AND id = $2

-- name: mark_read
-- An instance read a chat up to a message.
UPDATE sandbox_written SET read_at = $5
WHERE company_id = $1 AND connection_id = $2 AND number = $3 AND id <= $4 AND read_at IS NULL

-- name: get_session
-- A connection's session.
SELECT * FROM sandbox_sessions WHERE company_id = $1 AND connection_id = $2

-- name: find_session
-- The session that shows a code. Locked: a code is used once.
SELECT * FROM sandbox_sessions WHERE company_id = $1 AND code = ANY($2::text[]) FOR NO KEY UPDATE

-- name: list_sessions
-- The sessions of an instance, by the rank of their connections, with those that were never begun. Locked against
-- a cut or connect meanwhile.
SELECT c.id AS connection_id, s.status, s.paired, s.reason, s.phone, s.method, s.code, s.expires_at,
       c.company_id, c.instance_id
FROM connections c
LEFT JOIN LATERAL (
    SELECT * FROM sandbox_sessions s WHERE s.company_id = c.company_id AND s.connection_id = c.id FOR SHARE
) s ON true
WHERE c.company_id = $1 AND c.instance_id = $2 AND c.kind = 'sandbox'
ORDER BY c.rank

-- name: find_instance
-- Whether an instance exists.
SELECT EXISTS (SELECT FROM instances WHERE company_id = $1 AND id = $2)

-- name: save_session
-- Write a session's state.
INSERT INTO sandbox_sessions (company_id, connection_id, instance_id, status, paired, reason, phone, method, code, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (company_id, connection_id) DO UPDATE
SET status = excluded.status, paired = excluded.paired, reason = excluded.reason, phone = excluded.phone,
    method = excluded.method, code = excluded.code, expires_at = excluded.expires_at

-- name: show_typing
-- An instance shows "typing…" to a phone.
UPDATE sandbox_sessions SET typing_to = $3, typing_at = $4
WHERE company_id = $1 AND connection_id = $2 AND status = 'connected' RETURNING true

-- name: list_typing
-- The instances that showed "typing…" to a phone last, since a time.
SELECT instance_id FROM sandbox_sessions
WHERE company_id = $1 AND typing_to = $2 AND typing_at > $3 ORDER BY typing_at

-- name: count_chats
-- What an account did: messages its phones received from it and wrote to it.
SELECT (SELECT count(*) FROM sandbox_messages WHERE company_id = $1 AND connection_id = $2) AS sent,
       (SELECT count(*) FROM sandbox_written WHERE company_id = $1 AND connection_id = $2) AS received

-- name: lock_company
-- Changes of phones and sessions exclude each other within a company: each decides what is held back by looking at both.
SELECT pg_advisory_xact_lock(hashtext('recado.sandbox'), hashtext($1::uuid::text))

-- name: schedule
-- Schedule a webhook; without a time it is held back.
INSERT INTO sandbox_jobs (company_id, connection_id, number, event, payload, due_at, after_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: forget_changes
-- What was still to be told of a session's state is overtaken.
DELETE FROM sandbox_jobs WHERE company_id = $1 AND connection_id = $2 AND event IN ('expiry', 'connection')

-- name: hold_jobs
-- A session's line is cut: what it would still hear waits.
UPDATE sandbox_jobs SET due_at = NULL, after_ms = greatest(0, extract(epoch FROM due_at - $3::timestamptz) * 1000)::integer
WHERE company_id = $1 AND connection_id = $2 AND due_at IS NOT NULL AND event IN ('receipt', 'message')

-- name: release_jobs
-- Schedule what waited for a phone or a session, where both are connected now.
UPDATE sandbox_jobs j SET due_at = $4::timestamptz + make_interval(secs => j.after_ms / 1000.0)
FROM sandbox_sessions s
WHERE j.company_id = $1 AND j.due_at IS NULL
  AND ($2::uuid IS NULL OR j.connection_id = $2) AND ($3::text IS NULL OR j.number = $3)
  AND s.company_id = j.company_id AND s.connection_id = j.connection_id AND s.status = 'connected'
  AND NOT EXISTS (SELECT FROM sandbox_phones p WHERE p.company_id = $1 AND p.number = j.number AND NOT p.connected)

-- name: claim_jobs
-- Take webhooks that are due, of sessions that no other worker is busy with, so that each session's order is kept.
WITH due AS MATERIALIZED (
    SELECT DISTINCT company_id, connection_id FROM (
        SELECT company_id, connection_id FROM sandbox_jobs WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2
    ) AS head
), mine AS MATERIALIZED (
    SELECT s.company_id, s.connection_id FROM sandbox_sessions s JOIN due USING (company_id, connection_id)
    FOR NO KEY UPDATE OF s SKIP LOCKED
), picked AS MATERIALIZED (
    SELECT j.company_id, j.id, c.server_id
    FROM mine
    JOIN sandbox_jobs j USING (company_id, connection_id)
    JOIN connections c ON c.company_id = j.company_id AND c.id = j.connection_id
    WHERE j.due_at <= $1 ORDER BY j.due_at, j.id LIMIT $2
)
DELETE FROM sandbox_jobs j USING picked p
-- The time is asked again because the job may have been held back, and gone, since the snapshot.
WHERE j.company_id = p.company_id AND j.id = p.id AND j.due_at <= $1
RETURNING j.company_id, j.connection_id, p.server_id, j.id, j.event, j.payload, j.due_at

-- name: next_due
-- When the next webhook is due.
SELECT min(due_at) FROM sandbox_jobs WHERE due_at IS NOT NULL

-- name: prune_messages
-- Forget what phones received before a time.
DELETE FROM sandbox_messages WHERE accepted_at < $1

-- name: prune_written
-- Forget what phones wrote before a time.
DELETE FROM sandbox_written WHERE written_at < $1

-- name: ping
-- Nothing, to see whether anybody answers.
SELECT 1
