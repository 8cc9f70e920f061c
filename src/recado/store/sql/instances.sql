-- name: insert_instance
-- Add an instance.
INSERT INTO instances (company_id, id, name, status, phone, settings) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING company_id, id, name, status, status_reason, phone, settings, paused, hold_until, created_at;

-- name: get_instance
-- One instance of a company.
SELECT company_id, id, name, status, status_reason, phone, settings, paused, hold_until, created_at
FROM instances WHERE company_id = $1 AND id = $2;

-- name: lock_instance
-- One instance, held against other changes. Weak enough for messages to be accepted.
SELECT company_id, id, name, status, status_reason, phone, settings, paused, hold_until, created_at
FROM instances WHERE company_id = $1 AND id = $2 FOR NO KEY UPDATE;

-- name: list_instances
-- A page of a company's instances, the oldest first, filtered by status.
SELECT company_id, id, name, status, status_reason, phone, settings, paused, hold_until, created_at
FROM instances
WHERE company_id = $1 AND ($2::uuid IS NULL OR id > $2) AND ($3::text IS NULL OR status = $3)
ORDER BY id LIMIT $4;

-- name: update_instance
-- Change what a person may change of an instance.
UPDATE instances SET name = $3, settings = $4 WHERE company_id = $1 AND id = $2
RETURNING company_id, id, name, status, status_reason, phone, settings, paused, hold_until, created_at;

-- name: set_status
-- How an instance stands, and its phone once it is known.
UPDATE instances SET status = $3, status_reason = $4, phone = coalesce($5, phone) WHERE company_id = $1 AND id = $2;

-- name: cancel_queued
-- End what an instance still had to send. What is being sent right now may have arrived: that is unproven.
WITH work AS (
    SELECT o.message_id, l.message_id IS NOT NULL AS sending
    FROM outbox o LEFT JOIN lanes l
        ON l.company_id = o.company_id AND l.instance_id = o.instance_id AND l.key = o.lane_key
        AND l.message_id = o.message_id
    WHERE o.company_id = $1 AND o.instance_id = $2
)
UPDATE messages m
SET status = CASE WHEN work.sending THEN 'unproven' ELSE 'cancelled' END,
    error = jsonb_build_object('code', 'instance_deleted', 'why', 'The instance was deleted.')
FROM work
WHERE m.company_id = $1 AND m.id = work.message_id AND m.status = 'queued'
RETURNING m.id, m.conversation_id, m.status;

-- name: delete_dead_letters
-- Let go of the dead letters of an instance: there is nobody left to send them.
DELETE FROM dead_letters WHERE company_id = $1 AND instance_id = $2;

-- name: delete_instance
-- Remove an instance with its connections, lanes, tokens and conversations. Its messages stay as history.
DELETE FROM instances WHERE company_id = $1 AND id = $2;

-- name: delete_all
-- Remove every instance of a company, and with it all work that waits.
DELETE FROM instances WHERE company_id = $1;
