-- name: get
-- One message.
SELECT * FROM messages WHERE company_id = $1 AND id = $2

-- name: list_page
-- Messages, newest first, before an id.
SELECT * FROM messages
WHERE company_id = $1
  AND ($2::uuid IS NULL OR id < $2)
  AND ($3::uuid IS NULL OR instance_id = $3)
  AND ($4::uuid IS NULL OR conversation_id = $4)
  AND ($5::uuid IS NULL OR contact_id = $5)
  AND ($6::text IS NULL OR direction = $6)
  AND ($7::text IS NULL OR status = $7)
  AND ($8::uuid IS NULL OR id >= $8)
  AND ($9::text IS NULL OR content ->> 'body' ILIKE $9 OR content ->> 'caption' ILIKE $9)
ORDER BY id DESC LIMIT $10

-- name: list_of_conversation
-- Messages of a conversation, newest first, before an id.
SELECT * FROM messages
WHERE company_id = $1 AND conversation_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4

-- name: find_by_id
-- A message of an instance by our id.
SELECT id, provider_id, status, direction, address, type, content, metadata, created_at, provider_at FROM messages
WHERE company_id = $1 AND instance_id = $2 AND id = $3

-- name: find_by_provider_id
-- A message of an instance by the provider's id.
SELECT m.id, p.provider_id, m.status, m.direction, m.address, m.type, m.content, m.metadata, m.created_at, m.provider_at
FROM provider_ids p JOIN messages m ON m.company_id = p.company_id AND m.id = p.message_id
WHERE p.company_id = $1 AND p.instance_id = $2 AND p.kind = 'message' AND p.provider_id = $3

-- name: find_by_client_id
-- A message of an instance by the id its client gave it, for as long as idempotency keys are kept.
SELECT m.id, m.provider_id, m.status, m.direction, m.address, m.type, m.content, m.metadata, m.created_at, m.provider_at
FROM idempotency i JOIN messages m ON m.company_id = i.company_id AND m.id = i.message_id
WHERE i.company_id = $1 AND i.key = $2

-- name: list_attempts
-- The attempts of a message, first first.
SELECT id, number, connection_id, started_at, duration_ms, outcome, code, why, provider_id FROM attempts
WHERE company_id = $1 AND message_id = $2 ORDER BY id

-- name: list_receipts
-- The receipts of a message, in the order of their own times.
SELECT state, at, recipient, error, raw_webhook_id, created_at FROM receipts
WHERE company_id = $1 AND message_id = $2 ORDER BY at, created_at

-- name: list_dead
-- Dead letters, newest first, before a message id.
SELECT d.*, m.type, m.address, m.client_id, m.created_at FROM dead_letters d
JOIN messages m ON m.company_id = d.company_id AND m.id = d.message_id
WHERE d.company_id = $1 AND ($2::uuid IS NULL OR d.message_id < $2) AND ($3::uuid IS NULL OR d.instance_id = $3)
  AND ($4::text IS NULL OR d.code = $4)
ORDER BY d.message_id DESC LIMIT $5

-- name: list_dead_for_retry
-- The messages of dead letters that a retry means, oldest first.
SELECT m.id, m.instance_id, m.address FROM dead_letters d
JOIN messages m ON m.company_id = d.company_id AND m.id = d.message_id
WHERE d.company_id = $1 AND ($2::uuid[] IS NULL OR d.message_id = ANY ($2))
  AND ($3::uuid IS NULL OR d.instance_id = $3) AND ($4::text IS NULL OR d.code = $4)
  AND ($5::timestamptz IS NULL OR d.died_at >= $5)
ORDER BY d.message_id LIMIT $6

-- name: last_received
-- The provider's id of the newest inbound message of a conversation.
SELECT last_received_id FROM conversations WHERE company_id = $1 AND id = $2

-- name: mark_conversation_read
-- What was received up to a message is read.
UPDATE conversations c SET unread = (
    SELECT count(*) FROM messages m WHERE m.company_id = $1 AND m.conversation_id = $2 AND m.id > $3
        AND m.direction = 'inbound')
WHERE c.company_id = $1 AND c.id = $2
