-- name: insert_pending
-- Media of received messages that is still at the provider.
INSERT INTO media (company_id, id, status, message_id, connection_id, ref, mime_type, filename, size, next_at)
SELECT w.company_id, w.id, 'pending', w.message_id, w.connection_id, w.ref, w.mime_type, w.filename, w.size, now()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::jsonb[], $6::text[], $7::text[], $8::bigint[])
    AS w (company_id, id, message_id, connection_id, ref, mime_type, filename, size)

-- name: insert_stored
-- A file that a company handed in, or that was fetched for a message of it.
INSERT INTO media AS a (company_id, id, status, mime_type, filename, size, sha256, path, message_id)
VALUES ($1, $2, 'ready', $3, $4, $5, $6, $7, $8)
RETURNING company_id, id, status, message_id,
          (SELECT m.instance_id FROM messages m WHERE m.company_id = a.company_id AND m.id = a.message_id) AS instance_id,
          mime_type, filename, size, sha256, path, error, created_at

-- name: get_media
-- One file's row.
SELECT a.company_id, a.id, a.status, a.message_id, m.instance_id, a.mime_type, a.filename, a.size, a.sha256, a.path,
       a.error, a.created_at
FROM media a LEFT JOIN messages m ON m.company_id = a.company_id AND m.id = a.message_id
WHERE a.company_id = $1 AND a.id = $2

-- name: claim
-- Media that is due, for this process until the lease ends.
WITH due AS MATERIALIZED (
    SELECT company_id, id FROM media
    WHERE status = 'pending' AND next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE media a SET next_at = now() + $2::interval, attempts = a.attempts + 1
FROM due
WHERE a.company_id = due.company_id AND a.id = due.id
RETURNING a.company_id, a.id, a.message_id, a.connection_id, a.ref, a.mime_type, a.filename, a.size, a.attempts

-- name: find_owners
-- The instance and conversation of the messages that media belongs to.
SELECT m.company_id, m.id AS message_id, m.instance_id, m.conversation_id
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
JOIN messages m ON m.company_id = w.company_id AND m.id = w.id

-- name: make_ready
-- The file is stored. Nothing when another process stored it first.
UPDATE media SET status = 'ready', mime_type = $3, filename = $4, size = $5, sha256 = $6, path = $7, error = NULL,
                 next_at = NULL
WHERE company_id = $1 AND id = $2 AND status = 'pending'
RETURNING id

-- name: postpone
-- Fetching failed and will be tried again.
UPDATE media SET error = $3, next_at = $4 WHERE company_id = $1 AND id = $2 AND status = 'pending'

-- name: fail
-- Fetching failed for good.
UPDATE media SET status = 'failed', error = $3, next_at = NULL
WHERE company_id = $1 AND id = $2 AND status = 'pending'
RETURNING id

-- name: next_due
-- When the next fetch is due.
SELECT min(next_at) FROM media WHERE status = 'pending'
