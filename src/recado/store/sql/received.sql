-- name: insert
-- Messages that came in, or that our own number wrote on another device.
INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status, type, address,
                      content, reply_to, provider_id, metadata, provider_at)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::jsonb[], $11::text[], $12::text[], $13::jsonb[], $14::timestamptz[])

-- name: hold
-- Messages that are to be amended, held in one order.
SELECT m.company_id, m.id, m.type, m.content, m.metadata
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
JOIN messages m ON m.company_id = w.company_id AND m.id = w.id
ORDER BY m.company_id, m.id
FOR NO KEY UPDATE OF m

-- name: amend
-- Held messages that were edited or taken back.
UPDATE messages m SET content = w.content, metadata = w.metadata
FROM unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::jsonb[]) AS w (company_id, id, content, metadata)
WHERE m.company_id = w.company_id AND m.id = w.id
