-- name: find
-- The messages that provider ids belong to.
SELECT p.company_id, p.instance_id, p.provider_id, p.message_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (company_id, instance_id, provider_id)
JOIN provider_ids p ON p.company_id = w.company_id AND p.instance_id = w.instance_id AND p.kind = 'message'
    AND p.provider_id = w.provider_id
WHERE p.message_id IS NOT NULL

-- name: insert
-- Remember what was seen, in the one order in which everybody locks them; what was seen before is left out.
INSERT INTO provider_ids (company_id, instance_id, kind, provider_id, message_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[])
    AS w (company_id, instance_id, kind, provider_id, message_id)
ORDER BY w.company_id, w.instance_id, w.provider_id, w.kind
ON CONFLICT DO NOTHING
RETURNING company_id, instance_id, kind, provider_id
