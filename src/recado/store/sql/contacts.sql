-- name: find_wanted
-- The contact of each identity that is known, its name, and its conversation with the instance where there is one.
SELECT i.company_id, i.kind, i.value, i.contact_id, c.name, w.instance_id, v.id AS conversation_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS w (company_id, instance_id, kind, value)
JOIN identities i ON i.company_id = w.company_id AND i.kind = w.kind AND i.value = w.value
JOIN contacts c ON c.company_id = i.company_id AND c.id = i.contact_id
LEFT JOIN conversations v
    ON v.company_id = i.company_id AND v.instance_id = w.instance_id AND v.contact_id = i.contact_id

-- name: find_places
-- Where messages stand: their conversation, or the one it was merged into, its contact and all that providers call it;
-- of several phones the canonical one.
SELECT m.company_id, m.id, v.id AS conversation_id, c.id AS contact_id, c.name, (
    SELECT jsonb_object_agg(i.kind, i.value ORDER BY coalesce(p.canonical = i.value, false), i.created_at, i.kind, i.value)
    FROM identities i
    LEFT JOIN canonical_phones p ON p.company_id = i.company_id AND p.phone = i.value AND i.kind = 'phone'
    WHERE i.company_id = c.company_id AND i.contact_id = c.id
) AS identities
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
JOIN messages m ON m.company_id = w.company_id AND m.id = w.id
LEFT JOIN conversation_aliases a ON a.company_id = m.company_id AND a.id = m.conversation_id
JOIN conversations v ON v.company_id = m.company_id AND v.id = coalesce(a.conversation_id, m.conversation_id)
JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id

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

-- name: share
-- Let contacts of these companies be made until the transaction ends, but none be merged. In one order.
SELECT pg_advisory_xact_lock_shared(7263238, k.key) FROM (SELECT key FROM unnest($1::integer[]) AS k (key) ORDER BY key) k

-- name: hold
-- Nobody makes or merges contacts of this company until the transaction ends.
SELECT pg_advisory_xact_lock(7263238, $1)

-- name: find_lids
-- The LIDs of contacts.
SELECT i.company_id, i.contact_id, i.value
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, contact_id)
JOIN identities i ON i.company_id = w.company_id AND i.contact_id = w.contact_id AND i.kind = 'lid'

-- name: find_holders
-- Everything that providers call the contacts that have one of these identities, with the age and kind of each.
SELECT i.kind, i.value, i.contact_id, c.kind AS contact_kind, c.name, c.created_at
FROM contacts c JOIN identities i ON i.company_id = c.company_id AND i.contact_id = c.id
WHERE c.company_id = $1 AND c.id IN (
    SELECT p.contact_id FROM unnest($2::text[], $3::text[]) AS w (kind, value)
    JOIN identities p ON p.company_id = $1 AND p.kind = w.kind AND p.value = w.value)

-- name: list_moved
-- The identities that lead to another contact since a time.
SELECT company_id, value FROM identities WHERE moved_at >= $1

-- name: insert_contact
-- A new contact.
INSERT INTO contacts (company_id, id, kind, name) VALUES ($1, $2, 'person', $3)

-- name: give_identities
-- Identities lead to a contact from now on, whoever had them.
INSERT INTO identities (company_id, kind, value, contact_id)
SELECT $1, w.kind, w.value, $2 FROM unnest($3::text[], $4::text[]) AS w (kind, value) ORDER BY 2, 3
ON CONFLICT (company_id, kind, value) DO UPDATE SET contact_id = excluded.contact_id, moved_at = now()
WHERE identities.contact_id <> excluded.contact_id

-- name: inherit_identities
-- All that providers call these contacts leads to another one.
UPDATE identities SET contact_id = $2, moved_at = now() WHERE company_id = $1 AND contact_id = ANY($3::uuid[])

-- name: inherit_name
-- A contact without a name takes the first of these.
UPDATE contacts SET name = $3 WHERE company_id = $1 AND id = $2 AND name IS NULL AND $3::text IS NOT NULL

-- name: alias_contacts
-- The ids of merged contacts lead to the one that is left, those too that led to them.
WITH moved AS (
    UPDATE contact_aliases SET contact_id = $2 WHERE company_id = $1 AND contact_id = ANY($3::uuid[])
)
INSERT INTO contact_aliases (company_id, id, contact_id) SELECT $1, unnest($3::uuid[]), $2

-- name: delete_contacts
-- Contacts that were merged into another.
DELETE FROM contacts WHERE company_id = $1 AND id = ANY($2::uuid[])

-- name: get_survivor
-- What a contact's id leads to: itself, unless it was merged.
SELECT coalesce((SELECT contact_id FROM contact_aliases WHERE company_id = $1 AND id = $2), $2)

-- name: list_contacts
-- A page of a company's contacts, the newest first, with what providers call them.
SELECT c.id, c.kind, c.name, c.created_at, i.identities
FROM contacts c
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value)
                     ORDER BY coalesce(p.canonical = i.value, false) DESC, i.created_at, i.kind, i.value) AS identities
    FROM identities i
    LEFT JOIN canonical_phones p ON p.company_id = i.company_id AND p.phone = i.value AND i.kind = 'phone'
    WHERE i.company_id = c.company_id AND i.contact_id = c.id
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
-- One contact by its id or that of one merged into it, if the instance (where one is given) has a conversation with it.
SELECT c.id, c.kind, c.name, c.created_at, i.identities
FROM contacts c
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value)
                     ORDER BY coalesce(p.canonical = i.value, false) DESC, i.created_at, i.kind, i.value) AS identities
    FROM identities i
    LEFT JOIN canonical_phones p ON p.company_id = i.company_id AND p.phone = i.value AND i.kind = 'phone'
    WHERE i.company_id = c.company_id AND i.contact_id = c.id
) i ON true
WHERE c.company_id = $1
  AND c.id = coalesce((SELECT a.contact_id FROM contact_aliases a WHERE a.company_id = $1 AND a.id = $2), $2)
  AND ($3::uuid IS NULL OR EXISTS (
        SELECT FROM conversations v
        WHERE v.company_id = c.company_id AND v.contact_id = c.id AND v.instance_id = $3))

-- name: list_identities
-- What providers call one contact, by its id or that of one merged into it; of several phones the canonical one last.
SELECT i.kind, i.value FROM identities i
LEFT JOIN canonical_phones p ON p.company_id = i.company_id AND p.phone = i.value AND i.kind = 'phone'
WHERE i.company_id = $1
  AND i.contact_id = coalesce((SELECT a.contact_id FROM contact_aliases a WHERE a.company_id = $1 AND a.id = $2), $2)
ORDER BY coalesce(p.canonical = i.value, false), i.created_at, i.kind, i.value
