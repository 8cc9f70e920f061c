-- name: note_messages
-- New messages in conversations: their times, the newest inbound id, how many are unread. Locked in one order. Returned
-- is whether the chat became known by it, as they wrote, or somebody on our phone did, for the first time; what was
-- merged meanwhile is not there any more.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::integer[])
        AS g (company_id, id, last_message_at, last_received_at, last_received_id, unread)
), locked AS (
    SELECT v.company_id, v.id, v.last_received_at IS NULL AND (g.last_received_at IS NOT NULL OR v.reached_at IS NULL) AS became_known
    FROM given g JOIN conversations v ON v.company_id = g.company_id AND v.id = g.id
    ORDER BY v.company_id, v.id
    FOR NO KEY UPDATE OF v
)
UPDATE conversations v SET
    last_message_at = greatest(v.last_message_at, g.last_message_at),
    last_received_at = greatest(v.last_received_at, g.last_received_at),
    last_received_id = CASE WHEN v.last_received_at IS NULL OR g.last_received_at >= v.last_received_at
        THEN g.last_received_id ELSE v.last_received_id END,
    reached_at = CASE WHEN g.last_received_at IS NULL THEN coalesce(v.reached_at, now()) ELSE v.reached_at END,
    unread = v.unread + g.unread
FROM locked l JOIN given g ON g.company_id = l.company_id AND g.id = l.id
WHERE v.company_id = l.company_id AND v.id = l.id
RETURNING v.company_id, v.id, l.became_known

-- name: lock_of_contacts
-- The conversations of contacts, held in the order in which everybody locks them.
SELECT * FROM conversations WHERE company_id = $1 AND contact_id = ANY($2::uuid[]) ORDER BY company_id, id FOR UPDATE

-- name: fold
-- What conversations that are merged into this one knew goes into it, and it belongs to the surviving contact.
UPDATE conversations v SET
    contact_id = $3,
    unread = v.unread + g.unread,
    last_message_at = greatest(v.last_message_at, g.last_message_at),
    last_received_id = CASE WHEN v.last_received_at IS NULL OR g.last_received_at > v.last_received_at
        THEN g.last_received_id ELSE v.last_received_id END,
    last_received_at = greatest(v.last_received_at, g.last_received_at),
    reached_at = greatest(v.reached_at, g.reached_at)
FROM (
    SELECT coalesce(sum(unread), 0)::integer AS unread, max(last_message_at) AS last_message_at,
           max(last_received_at) AS last_received_at, max(reached_at) AS reached_at,
           (array_agg(last_received_id ORDER BY last_received_at DESC NULLS LAST))[1] AS last_received_id
    FROM conversations WHERE company_id = $1 AND id = ANY($4::uuid[])
) g
WHERE v.company_id = $1 AND v.id = $2

-- name: alias
-- The ids of merged conversations lead to the one that is left, those too that led to them.
WITH moved AS (
    UPDATE conversation_aliases SET conversation_id = $2 WHERE company_id = $1 AND conversation_id = ANY($3::uuid[])
)
INSERT INTO conversation_aliases (company_id, id, conversation_id) SELECT $1, unnest($3::uuid[]), $2

-- name: delete
-- Conversations that were merged into another.
DELETE FROM conversations WHERE company_id = $1 AND id = ANY($2::uuid[])

-- name: redirect_moves
-- Messages that are still under way to these conversations go to the one that is left.
UPDATE history_moves SET conversation_id = $2, contact_id = $3, before = NULL, passes = 0, next_at = now()
WHERE company_id = $1 AND conversation_id = ANY($4::uuid[])

-- name: plan_moves
-- The messages of these conversations are to name another one and its contact.
INSERT INTO history_moves (company_id, id, conversation_id, contact_id)
SELECT $1, unnest($4::uuid[]), $2, $3
ON CONFLICT (company_id, id) DO UPDATE SET conversation_id = excluded.conversation_id,
    contact_id = excluded.contact_id, before = NULL, passes = 0, next_at = now()

-- name: next_move
-- A move that is due, held.
SELECT company_id, id, conversation_id, contact_id, before, passes FROM history_moves WHERE next_at <= now()
ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: move_messages
-- The next messages of a move, newest first. What a sender or a receipt is writing is left to the next pass: nothing
-- here waits for them.
WITH looked AS MATERIALIZED (
    SELECT m.id, m.contact_id FROM messages m
    WHERE m.company_id = $1 AND m.conversation_id = $2 AND m.id < coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY m.id DESC LIMIT $6
), free AS MATERIALIZED (
    SELECT m.company_id, m.id FROM looked l JOIN messages m ON m.company_id = $1 AND m.id = l.id
    WHERE l.contact_id <> $4 OR $2 <> $3
    FOR NO KEY UPDATE OF m SKIP LOCKED
), moved AS (
    UPDATE messages m SET conversation_id = $3, contact_id = $4 FROM free f
    WHERE m.company_id = f.company_id AND m.id = f.id
)
SELECT count(*) AS looked, (array_agg(id ORDER BY id))[1] AS lowest FROM looked

-- name: go_on
-- Where a move goes on, and when.
UPDATE history_moves SET before = $3, passes = $4, next_at = now() + $5::interval WHERE company_id = $1 AND id = $2

-- name: end_move
-- Nothing names the old conversation any more.
DELETE FROM history_moves WHERE company_id = $1 AND id = $2

-- name: get_survivor
-- What a conversation's id leads to: itself, unless it was merged.
SELECT coalesce((SELECT conversation_id FROM conversation_aliases WHERE company_id = $1 AND id = $2), $2)

-- name: list_recent
-- A page of a company's conversations, the most recent message first; those without one last.
SELECT v.id, v.instance_id, v.contact_id, c.name AS contact_name, c.kind AS contact_kind, v.unread, v.last_message_at,
       v.last_received_at, v.created_at
FROM conversations v JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id
WHERE v.company_id = $1
  AND ($2::uuid IS NULL OR v.instance_id = $2)
  AND ($3::uuid IS NULL
       OR v.contact_id = coalesce((SELECT a.contact_id FROM contact_aliases a WHERE a.company_id = $1 AND a.id = $3), $3))
  AND (NOT $4 OR v.unread > 0)
  AND ($5::uuid IS NULL
       OR ($6::timestamptz IS NOT NULL AND (v.last_message_at < $6 OR v.last_message_at IS NULL
                                            OR (v.last_message_at = $6 AND v.id < $5)))
       OR ($6::timestamptz IS NULL AND v.last_message_at IS NULL AND v.id < $5))
ORDER BY v.last_message_at DESC NULLS LAST, v.id DESC
LIMIT $7

-- name: get_conversation
-- One conversation, by its id or that of one merged into it.
SELECT v.id, v.instance_id, v.contact_id, c.name AS contact_name, c.kind AS contact_kind, v.unread, v.last_message_at,
       v.last_received_at, v.created_at
FROM conversations v JOIN contacts c ON c.company_id = v.company_id AND c.id = v.contact_id
WHERE v.company_id = $1
  AND v.id = coalesce((SELECT a.conversation_id FROM conversation_aliases a WHERE a.company_id = $1 AND a.id = $2), $2)
  AND ($3::uuid IS NULL OR v.instance_id = $3)
