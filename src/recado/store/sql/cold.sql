-- name: is_cold
-- Whether a waiting message is a first contact.
SELECT cold FROM outbox WHERE company_id = $1 AND message_id = $2

-- name: lock_budget
-- One at a time spends an instance's first contacts.
SELECT pg_advisory_xact_lock(7263239, hashtext($1::uuid::text))

-- name: forget_old
-- First contacts that the hour no longer counts.
DELETE FROM first_contacts WHERE company_id = $1 AND instance_id = $2 AND at <= $3

-- name: list_spent
-- The first contacts of the hour, the oldest first, and whether each was this conversation's.
SELECT at, conversation_id = $3 AS mine FROM first_contacts WHERE company_id = $1 AND instance_id = $2 ORDER BY at

-- name: spend
-- A first contact goes to this conversation.
INSERT INTO first_contacts (company_id, instance_id, conversation_id, at) VALUES ($1, $2, $3, $4)

-- name: reach
-- The conversation is known from now on.
UPDATE conversations SET reached_at = $3 WHERE company_id = $1 AND id = $2

-- name: warm_own
-- What waits for a conversation that was reached is no first contact any more; its lane is in the caller's hands.
UPDATE outbox SET cold = false WHERE company_id = $1 AND conversation_id = $2 AND cold

-- name: pause_first_contacts
-- Hold an instance's first contacts until the oldest of the hour is over.
UPDATE instances SET first_contacts_until = $3 WHERE company_id = $1 AND id = $2

-- name: resume_first_contacts
-- The budget changed: count anew.
UPDATE instances SET first_contacts_until = NULL
WHERE company_id = $1 AND id = $2 AND first_contacts_until IS NOT NULL
RETURNING id

-- name: wake
-- Look at the lanes of an instance in which first contacts wait; parked ones stay parked.
WITH waiting AS MATERIALIZED (
    SELECT l.company_id, l.instance_id, l.key FROM lanes l
    WHERE l.company_id = $1 AND l.instance_id = $2 AND EXISTS (
        SELECT FROM outbox o WHERE o.instance_id = l.instance_id AND o.lane_key = l.key AND o.cold)
    ORDER BY l.company_id, l.instance_id, l.key FOR UPDATE
)
UPDATE lanes l SET woken = true,
    next_at = CASE WHEN l.owner IS NULL
        THEN least(coalesce(l.next_at, 'infinity'), greatest(now(), l.not_before)) ELSE l.next_at END
FROM waiting w WHERE l.company_id = w.company_id AND l.instance_id = w.instance_id AND l.key = w.key

-- name: lock_cold_lanes
-- The lanes in which first contacts of these conversations wait, or of those merged into them, if they are known by now.
-- Held in the order in which everybody locks lanes.
SELECT l.company_id, l.instance_id, l.key FROM lanes l
WHERE (l.company_id, l.instance_id, l.key) IN (
    SELECT o.company_id, o.instance_id, o.lane_key
    FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
    JOIN conversations v ON v.company_id = w.company_id AND v.id = w.id
    JOIN instances i ON i.company_id = v.company_id AND i.id = v.instance_id
        AND (v.last_received_at IS NOT NULL OR v.reached_at >= coalesce(i.cold_since, '-infinity'))
    CROSS JOIN LATERAL (
        SELECT w.id UNION ALL
        SELECT a.id FROM conversation_aliases a WHERE a.company_id = w.company_id AND a.conversation_id = w.id
    ) n
    JOIN outbox o ON o.company_id = w.company_id AND o.conversation_id = n.id AND o.cold)
ORDER BY l.company_id, l.instance_id, l.key
FOR UPDATE

-- name: warm
-- They are known: what waits for them is no first contact, and its lanes are looked at.
WITH known AS (
    SELECT w.company_id, n.id
    FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, id)
    JOIN conversations v ON v.company_id = w.company_id AND v.id = w.id
    JOIN instances i ON i.company_id = v.company_id AND i.id = v.instance_id
        AND (v.last_received_at IS NOT NULL OR v.reached_at >= coalesce(i.cold_since, '-infinity'))
    CROSS JOIN LATERAL (
        SELECT w.id UNION ALL
        SELECT a.id FROM conversation_aliases a WHERE a.company_id = w.company_id AND a.conversation_id = w.id
    ) n
), warmed AS (
    UPDATE outbox o SET cold = false FROM known k
    WHERE o.company_id = k.company_id AND o.conversation_id = k.id AND o.cold
    RETURNING o.company_id, o.instance_id, o.lane_key
)
UPDATE lanes l SET woken = true,
    next_at = CASE WHEN l.owner IS NULL
        THEN least(coalesce(l.next_at, 'infinity'), greatest(now(), l.not_before)) ELSE l.next_at END
FROM (SELECT DISTINCT * FROM warmed) w
WHERE l.company_id = w.company_id AND l.instance_id = w.instance_id AND l.key = w.lane_key

-- name: give_back
-- The provider took no first contact: this one was not spent, and its chat is as unknown as before.
WITH unspent AS (
    DELETE FROM first_contacts WHERE company_id = $1 AND instance_id = $2 AND conversation_id = $3
)
UPDATE conversations SET reached_at = NULL WHERE company_id = $1 AND id = $3

-- name: hold
-- The provider takes nothing for chats in which nobody wrote to us, until then.
UPDATE instances SET cold_until = greatest(cold_until, $3), cold_since = $4 WHERE company_id = $1 AND id = $2

-- name: cool_own
-- The message that was tried waits with the held ones, whatever we knew of its chat: the provider knows better.
UPDATE outbox SET cold = true, conversation_id = $3 WHERE company_id = $1 AND message_id = $2

-- name: cool
-- What waits for chats in which nobody wrote to us is held too. What is being written is left to its writer.
WITH unanswered AS MATERIALIZED (
    SELECT o.company_id, o.message_id, m.conversation_id
    FROM outbox o
    JOIN messages m ON m.company_id = o.company_id AND m.id = o.message_id
    JOIN conversations v ON v.company_id = m.company_id AND v.id = m.conversation_id
    JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id AND c.kind = 'person'
    WHERE o.company_id = $1 AND o.instance_id = $2 AND NOT o.cold AND o.unproven_at IS NULL
        AND v.last_received_at IS NULL
    FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbox o SET cold = true, conversation_id = u.conversation_id FROM unanswered u
WHERE o.company_id = u.company_id AND o.message_id = u.message_id

-- name: summarise
-- First contacts that wait, and until when they are held; null when they are not.
SELECT count(o.message_id) AS waiting,
       nullif(greatest(i.cold_until, i.first_contacts_until, now()), now()) AS held_until
FROM instances i
LEFT JOIN outbox o ON o.company_id = i.company_id AND o.instance_id = i.id AND o.cold
WHERE i.company_id = $1 AND i.id = $2
GROUP BY i.cold_until, i.first_contacts_until
