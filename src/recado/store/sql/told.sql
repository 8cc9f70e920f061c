-- name: load_place
-- All that an event is told with to Z-API clients: the instance, the event's message ($3), the message that it, or the event
-- ($4), refers to, the contact of the message or by what the event calls it ($5, $6), and the file.
SELECT z.public_id, z.settings, i.phone, to_jsonb(m) AS message, to_jsonb(q) AS about, c.name AS contact_name, c.identities,
       f.id AS media_id, f.status AS media_status, f.mime_type, f.filename, f.error
FROM instances i
LEFT JOIN zapi_instances z ON z.company_id = i.company_id AND z.instance_id = i.id
LEFT JOIN LATERAL (
    SELECT id, type, content, address, direction, provider_id, client_id, reply_to, metadata, provider_at, contact_id, status
    FROM messages WHERE company_id = $1 AND id = $3
) m ON true
LEFT JOIN LATERAL (
    SELECT coalesce($4, CASE WHEN jsonb_typeof(m.content) = 'object' THEN m.content ->> 'message_id' END, m.reply_to) AS id
) r ON true
LEFT JOIN LATERAL (
    SELECT message_id FROM provider_ids
    WHERE company_id = $1 AND instance_id = $2 AND kind = 'message' AND provider_id = r.id
) k ON true
LEFT JOIN LATERAL (
    SELECT id, type, content, address, direction, provider_id, client_id, reply_to, metadata, provider_at, contact_id, status
    FROM messages
    WHERE company_id = $1 AND instance_id = $2 AND id = coalesce(k.message_id, CASE
        WHEN r.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.id::uuid END)
) q ON true
LEFT JOIN LATERAL (
    SELECT x.name, (SELECT jsonb_object_agg(n.kind, n.value) FROM identities n
                    WHERE n.company_id = x.company_id AND n.contact_id = x.id) AS identities
    FROM contacts x
    WHERE x.company_id = $1 AND x.id = coalesce(m.contact_id, (
        SELECT d.contact_id FROM unnest($5::text[], $6::text[]) AS w (kind, value)
        JOIN identities d ON d.company_id = $1 AND d.kind = w.kind AND d.value = w.value LIMIT 1))
) c ON true
LEFT JOIN LATERAL (
    SELECT CASE WHEN m.type = 'forward' THEN q.content ->> 'media_id'
                WHEN jsonb_typeof(m.content) = 'object' THEN m.content ->> 'media_id' END AS id
) g ON true
LEFT JOIN media f ON f.company_id = $1
    AND f.id = CASE WHEN g.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN g.id::uuid END
WHERE i.company_id = $1 AND i.id = $2
