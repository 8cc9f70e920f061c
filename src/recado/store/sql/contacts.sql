-- name: find_wanted
-- The contact of each identity that is known, its name, and its conversation with the instance where there is one.
SELECT i.company_id, i.kind, i.value, i.contact_id, c.name, w.instance_id, v.id AS conversation_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS w (company_id, instance_id, kind, value)
JOIN identities i ON i.company_id = w.company_id AND i.kind = w.kind AND i.value = w.value
JOIN contacts c ON c.company_id = i.company_id AND c.id = i.contact_id
LEFT JOIN conversations v
    ON v.company_id = i.company_id AND v.instance_id = w.instance_id AND v.contact_id = i.contact_id

-- name: upsert_identities
-- New contacts and the identities that lead to them; where another transaction was first, its contact is returned.
WITH made AS (
    INSERT INTO contacts (company_id, id, kind, name)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
)
INSERT INTO identities AS i (company_id, kind, value, contact_id)
SELECT * FROM unnest($5::uuid[], $6::text[], $7::text[], $8::uuid[])
ON CONFLICT (company_id, kind, value) DO UPDATE SET created_at = i.created_at
RETURNING i.company_id, i.kind, i.value, i.contact_id

-- name: move_identities
-- Identities of this transaction's own making go to another contact.
UPDATE identities i SET contact_id = w.contact_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS w (company_id, kind, value, contact_id)
WHERE i.company_id = w.company_id AND i.kind = w.kind AND i.value = w.value

-- name: delete_unidentified
-- The contacts among these that no identity leads to: made in vain by the loser of a race.
DELETE FROM contacts c USING unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
WHERE c.company_id = w.company_id AND c.id = w.id
  AND NOT EXISTS (SELECT FROM identities i WHERE i.company_id = c.company_id AND i.contact_id = c.id)

-- name: upsert_conversations
-- The conversation of each instance with each contact; where another transaction was first, its row is returned.
INSERT INTO conversations AS v (company_id, id, instance_id, contact_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
ON CONFLICT (company_id, instance_id, contact_id) DO UPDATE SET unread = v.unread
RETURNING v.company_id, v.id, v.instance_id, v.contact_id

-- name: name_contacts
-- Gives a name to the contacts that have none, locking them in one order.
WITH locked AS (
    SELECT c.company_id, c.id, w.name
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (company_id, id, name)
    JOIN contacts c ON c.company_id = w.company_id AND c.id = w.id
    WHERE c.name IS NULL
    ORDER BY c.company_id, c.id
    FOR NO KEY UPDATE OF c
)
UPDATE contacts c SET name = locked.name FROM locked
WHERE c.company_id = locked.company_id AND c.id = locked.id AND c.name IS NULL

-- name: list_contacts
-- A page of a company's contacts, the newest first, with what providers call them.
SELECT c.id, c.kind, c.name, c.created_at, i.identities
FROM contacts c
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value) ORDER BY i.created_at, i.kind) AS identities
    FROM identities i WHERE i.company_id = c.company_id AND i.contact_id = c.id
) i ON true
WHERE c.company_id = $1
  AND ($2::uuid IS NULL OR c.id < $2)
  AND ($3::text IS NULL OR EXISTS (
        SELECT FROM identities p
        WHERE p.company_id = c.company_id AND p.contact_id = c.id AND p.kind = 'phone' AND p.value = $3))
  AND ($4::text IS NULL OR position(lower($4) IN lower(c.name)) > 0)
  AND ($5::uuid IS NULL OR EXISTS (
        SELECT FROM conversations v
        WHERE v.company_id = c.company_id AND v.contact_id = c.id AND v.instance_id = $5))
ORDER BY c.id DESC
LIMIT $6

-- name: get_contact
-- One contact, if the instance (where one is given) has a conversation with it.
SELECT c.id, c.kind, c.name, c.created_at, i.identities
FROM contacts c
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value) ORDER BY i.created_at, i.kind) AS identities
    FROM identities i WHERE i.company_id = c.company_id AND i.contact_id = c.id
) i ON true
WHERE c.company_id = $1 AND c.id = $2
  AND ($3::uuid IS NULL OR EXISTS (
        SELECT FROM conversations v
        WHERE v.company_id = c.company_id AND v.contact_id = c.id AND v.instance_id = $3))

-- name: list_identities
-- What providers call one contact.
SELECT kind, value FROM identities WHERE company_id = $1 AND contact_id = $2 ORDER BY created_at, kind, value
