-- name: note_messages
-- New messages in conversations: their times, the newest inbound id, how many are unread. Locked in one order.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::integer[])
        AS g (company_id, id, last_message_at, last_received_at, last_received_id, unread)
), locked AS (
    SELECT v.company_id, v.id FROM given g JOIN conversations v ON v.company_id = g.company_id AND v.id = g.id
    ORDER BY v.company_id, v.id
    FOR NO KEY UPDATE OF v
)
UPDATE conversations v SET
    last_message_at = greatest(v.last_message_at, g.last_message_at),
    last_received_at = greatest(v.last_received_at, g.last_received_at),
    last_received_id = CASE WHEN v.last_received_at IS NULL OR g.last_received_at >= v.last_received_at
        THEN g.last_received_id ELSE v.last_received_id END,
    unread = v.unread + g.unread
FROM locked l JOIN given g ON g.company_id = l.company_id AND g.id = l.id
WHERE v.company_id = l.company_id AND v.id = l.id

-- name: list_recent
-- A page of a company's conversations, the most recent message first; those without one last.
SELECT v.id, v.instance_id, v.contact_id, c.name AS contact_name, c.kind AS contact_kind, v.unread, v.last_message_at,
       v.last_received_at, v.created_at
FROM conversations v JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id
WHERE v.company_id = $1
  AND ($2::uuid IS NULL OR v.instance_id = $2)
  AND ($3::uuid IS NULL OR v.contact_id = $3)
  AND (NOT $4 OR v.unread > 0)
  AND ($5::uuid IS NULL
       OR ($6::timestamptz IS NOT NULL AND (v.last_message_at < $6 OR v.last_message_at IS NULL
                                            OR (v.last_message_at = $6 AND v.id < $5)))
       OR ($6::timestamptz IS NULL AND v.last_message_at IS NULL AND v.id < $5))
ORDER BY v.last_message_at DESC NULLS LAST, v.id DESC
LIMIT $7

-- name: get_conversation
-- One conversation.
SELECT v.id, v.instance_id, v.contact_id, c.name AS contact_name, c.kind AS contact_kind, v.unread, v.last_message_at,
       v.last_received_at, v.created_at
FROM conversations v JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id
WHERE v.company_id = $1 AND v.id = $2 AND ($3::uuid IS NULL OR v.instance_id = $3)
