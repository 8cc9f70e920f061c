-- name: list_events
-- A page of events, the newest first.
SELECT id, type, at, company_id, instance_id, conversation_id, message_id, sequence, data FROM events
WHERE company_id = $1 AND ($2::text IS NULL OR type = $2) AND ($3::uuid IS NULL OR instance_id = $3)
    AND id >= $4::uuid AND id < $5::uuid
ORDER BY id DESC LIMIT $6

-- name: get_event
-- One event; with an instance given, only that instance's.
SELECT id, type, at, company_id, instance_id, conversation_id, message_id, sequence, data FROM events
WHERE company_id = $1 AND id = $2 AND ($3::uuid IS NULL OR instance_id = $3)
