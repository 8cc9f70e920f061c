-- name: insert
-- Write events in the order given; the trigger makes their deliveries.
INSERT INTO events (company_id, id, type, instance_id, conversation_id, message_id, at, data)
SELECT company_id, id, type, instance_id, conversation_id, message_id, coalesce(at, now()), data
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::jsonb[])
    WITH ORDINALITY AS e (company_id, id, type, instance_id, conversation_id, message_id, at, data, position)
ORDER BY position
