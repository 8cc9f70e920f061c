-- name: find_own
-- Which of these are ids of outbound messages of these instances: a provider may echo anything.
SELECT m.company_id, m.instance_id, m.id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS w (company_id, instance_id, id)
JOIN messages m ON m.company_id = w.company_id AND m.id = w.id AND m.instance_id = w.instance_id
WHERE m.direction = 'outbound'

-- name: find_in_flight
-- Messages to whom echoes name that are in flight, or unproven and recent, and have no id of the provider yet. An echo may
-- name its chat by a LID that nobody told before: then whatever the instance is sending, if that is one message.
-- elsewhere: another connection may have heard of what the one that sends has not answered for yet.
SELECT w.place, m.id, m.type, m.content,
       m.status = 'queued' AND EXISTS (
           SELECT FROM connections o WHERE o.company_id = w.company_id AND o.instance_id = w.instance_id AND NOT o.active
       ) AS elsewhere
FROM unnest($1::integer[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS w (place, company_id, instance_id, kind, value)
JOIN identities i ON i.company_id = w.company_id AND i.kind = w.kind AND i.value = w.value
JOIN conversations v ON v.company_id = w.company_id AND v.instance_id = w.instance_id AND v.contact_id = i.contact_id
CROSS JOIN LATERAL (
    -- The lane of the instance, or those of the person's addresses.
    (SELECT l.message_id AS id
     FROM (SELECT '' AS key UNION ALL
           SELECT n.value FROM identities n WHERE n.company_id = v.company_id AND n.contact_id = v.contact_id) k
     JOIN lanes l ON l.company_id = w.company_id AND l.instance_id = w.instance_id AND l.key = k.key COLLATE "C"
     WHERE l.message_id IS NOT NULL)
    UNION
    (SELECT r.id FROM (
        SELECT b.id, b.status FROM messages b
        WHERE b.company_id = w.company_id AND b.conversation_id = v.id AND b.id >= $6 ORDER BY b.id DESC LIMIT 200
     ) r WHERE r.status = 'unproven')
) c
JOIN messages m ON m.company_id = w.company_id AND m.id = c.id AND m.conversation_id = v.id
WHERE m.direction = 'outbound' AND m.provider_id IS NULL AND m.status IN ('queued', 'unproven')
UNION
SELECT w.place, sole.id, m.type, m.content, false
FROM unnest($1::integer[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS w (place, company_id, instance_id, kind, value)
CROSS JOIN LATERAL (
    SELECT min(l.message_id::text)::uuid AS id FROM lanes l
    WHERE l.company_id = w.company_id AND l.instance_id = w.instance_id AND l.message_id IS NOT NULL
    HAVING count(*) = 1
) sole
JOIN messages m ON m.company_id = w.company_id AND m.id = sole.id
WHERE w.kind = 'lid' AND m.direction = 'outbound' AND m.provider_id IS NULL AND m.status IN ('queued', 'unproven')
  AND NOT EXISTS (
      SELECT FROM unnest($1::integer[], $2::uuid[], $4::text[], $5::text[]) AS o (place, company_id, kind, value)
      JOIN identities i ON i.company_id = o.company_id AND i.kind = o.kind AND i.value = o.value
      WHERE o.place = w.place)
ORDER BY 1, 2

-- name: lock_messages
-- The messages that receipts are about, held still. One that a sender is finishing is left out rather than waited
-- for, since the sender locks several in an order of its own.
SELECT m.company_id, m.id, m.instance_id, m.conversation_id, m.contact_id, m.direction, m.status, m.type,
       m.address, m.client_id, m.provider_id, m.metadata, m.error
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
JOIN messages m ON m.company_id = w.company_id AND m.id = w.id
ORDER BY m.company_id, m.id
FOR NO KEY UPDATE OF m SKIP LOCKED

-- name: insert
-- Keep receipts; one that is there already is left out.
INSERT INTO receipts (company_id, instance_id, provider_id, state, recipient, message_id, at, error, raw_webhook_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::timestamptz[],
                     $8::jsonb[], $9::uuid[])
ON CONFLICT DO NOTHING
RETURNING company_id, instance_id, provider_id, state, recipient

-- name: advance_messages
-- The new status of messages locked before, and their provider id where it was not known.
UPDATE messages m SET status = w.status, provider_id = coalesce(m.provider_id, w.provider_id), error = w.error
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[]) AS w (company_id, id, status, provider_id, error)
WHERE m.company_id = w.company_id AND m.id = w.id

-- name: release_proven
-- What a receipt tells of needs no resending: drop it from the outbox and free the lane that waits for proof. What
-- was sent after all is no dead letter.
-- Rows that a sender is writing are left to it.
WITH waiting AS MATERIALIZED (
    SELECT o.company_id, o.message_id, o.instance_id, o.lane_key
    FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, message_id)
    JOIN outbox o ON o.company_id = w.company_id AND o.message_id = w.message_id
    FOR UPDATE OF o SKIP LOCKED
), gone AS (
    DELETE FROM outbox o USING waiting w WHERE o.company_id = w.company_id AND o.message_id = w.message_id
), idle AS MATERIALIZED (
    SELECT l.company_id, l.instance_id, l.key
    FROM waiting w
    JOIN lanes l ON l.company_id = w.company_id AND l.instance_id = w.instance_id AND l.key = w.lane_key
    WHERE l.owner IS NULL AND l.message_id = w.message_id
    FOR UPDATE OF l SKIP LOCKED
), buried AS (
    DELETE FROM dead_letters d USING unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS w (company_id, message_id, sent)
    WHERE w.sent AND d.company_id = w.company_id AND d.message_id = w.message_id
)
UPDATE lanes l SET message_id = NULL, woken = true, next_at = greatest(now(), l.not_before)
FROM idle i WHERE l.company_id = i.company_id AND l.instance_id = i.instance_id AND l.key = i.key
RETURNING l.instance_id

-- name: find_early
-- Receipts kept without their message whose provider id is known by now, in the order they came.
SELECT r.company_id, r.instance_id, r.provider_id, r.state, r.recipient, r.at, r.error, r.raw_webhook_id, p.message_id
FROM receipts r
JOIN provider_ids p ON p.company_id = r.company_id AND p.instance_id = r.instance_id AND p.kind = 'message'
    AND p.provider_id = r.provider_id
JOIN messages m ON m.company_id = p.company_id AND m.id = p.message_id
WHERE r.message_id IS NULL AND r.created_at >= $1
ORDER BY r.created_at LIMIT $2

-- name: find_early_of
-- Receipts that came before these provider ids were known, in the order they came.
SELECT r.company_id, r.instance_id, r.provider_id, r.state, r.recipient, r.at, r.error, r.raw_webhook_id, w.message_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) AS w (company_id, instance_id, provider_id, message_id)
JOIN receipts r ON r.company_id = w.company_id AND r.instance_id = w.instance_id AND r.provider_id = w.provider_id
WHERE r.message_id IS NULL
ORDER BY r.created_at

-- name: claim_early
-- Give early receipts to their messages; of several transactions that try, one gets each.
UPDATE receipts r SET message_id = w.message_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[])
    AS w (company_id, instance_id, provider_id, state, recipient, message_id)
WHERE r.company_id = w.company_id AND r.instance_id = w.instance_id AND r.provider_id = w.provider_id
    AND r.state = w.state AND r.recipient = w.recipient AND r.message_id IS NULL
RETURNING r.company_id, r.instance_id, r.provider_id, r.state, r.recipient
