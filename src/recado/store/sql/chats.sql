-- name: list_chats
-- A page of an instance's chats, of one kind or of all, the most recent message first; those without one last. Identities
-- are looked up for the page alone, not for all that comes before it.
SELECT v.id, v.contact_id, v.kind, v.name, v.unread, v.last_message_at, (
    SELECT jsonb_object_agg(i.kind, i.value ORDER BY coalesce(p.canonical = i.value, false), i.created_at, i.kind, i.value)
    FROM identities i
    LEFT JOIN canonical_phones p ON p.company_id = i.company_id AND p.phone = i.value AND i.kind = 'phone'
    WHERE i.company_id = v.company_id AND i.contact_id = v.contact_id
) AS identities
FROM (
    SELECT v.company_id, v.id, v.contact_id, c.kind, c.name, v.unread, v.last_message_at
    FROM conversations v JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id
    WHERE v.company_id = $1 AND v.instance_id = $2 AND ($3::text IS NULL OR c.kind = $3)
    ORDER BY v.last_message_at DESC NULLS LAST, v.id DESC
    LIMIT $4 OFFSET $5
) v
ORDER BY v.last_message_at DESC NULLS LAST, v.id DESC

-- name: find_chats
-- The chats of an instance with whom these identities lead to, and by which of them.
SELECT w.value AS asked, v.id, v.contact_id, c.kind, c.name, v.unread, v.last_message_at, (
    SELECT jsonb_object_agg(i.kind, i.value ORDER BY coalesce(p.canonical = i.value, false), i.created_at, i.kind, i.value)
    FROM identities i
    LEFT JOIN canonical_phones p ON p.company_id = i.company_id AND p.phone = i.value AND i.kind = 'phone'
    WHERE i.company_id = c.company_id AND i.contact_id = c.id
) AS identities
FROM unnest($3::text[], $4::text[]) AS w (kind, value)
JOIN identities n ON n.company_id = $1 AND n.kind = w.kind AND n.value = w.value
JOIN conversations v ON v.company_id = n.company_id AND v.contact_id = n.contact_id AND v.instance_id = $2
JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id
