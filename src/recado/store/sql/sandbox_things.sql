-- name: get_thing
-- One thing of an account, or of all.
SELECT data FROM sandbox_things WHERE company_id = $1 AND account = $2 AND kind = $3 AND id = $4

-- name: find_things
-- The things of a kind that contain something, the oldest first.
SELECT id, data FROM sandbox_things
WHERE company_id = $1 AND account = $2 AND kind = $3 AND data @> $4::jsonb
ORDER BY sequence

-- name: find_owners
-- The accounts that have a thing.
SELECT account FROM sandbox_things WHERE company_id = $1 AND kind = $2 AND id = $3 AND account <> ''

-- name: put_thing
-- Keep a thing as it is now.
INSERT INTO sandbox_things (company_id, account, kind, id, data) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (company_id, account, kind, id) DO UPDATE SET data = excluded.data

-- name: drop_thing
-- A thing is no more.
DELETE FROM sandbox_things WHERE company_id = $1 AND account = $2 AND kind = $3 AND id = $4

-- name: find_numbers
-- Those of some numbers that the sandbox knows, and whether they are an instance's own: described ones, paired ones, and those
-- that wrote to a connection.
SELECT number, bool_or(own) AS own FROM (
    SELECT number, false AS own FROM sandbox_phones WHERE company_id = $1 AND number = ANY($3::text[])
    UNION ALL
    SELECT phone, true FROM sandbox_sessions WHERE company_id = $1 AND paired AND phone = ANY($3::text[])
    UNION ALL
    SELECT number, false FROM sandbox_written WHERE company_id = $1 AND connection_id = $2 AND number = ANY($3::text[])
) AS known
GROUP BY number

-- name: list_talks
-- With whom an account exchanged messages, or with one: what is left of it after the chat was cleared, who wrote under what name,
-- and when it was last read. What only speaks of another message counts for nothing.
WITH mine AS MATERIALIZED (
    SELECT connection_id FROM sandbox_sessions WHERE company_id = $1 AND phone = $2
), cleared AS MATERIALIZED (
    SELECT id, (data ->> 'cleared_at')::timestamptz AS at FROM sandbox_things
    WHERE company_id = $1 AND account = $2 AND kind = 'chat' AND ($3::text IS NULL OR id = $3)
), lines AS (
    SELECT m.number, m.type, m.accepted_at AS at, NULL::text AS name, false AS wrote, NULL::timestamptz AS read_at
    FROM mine JOIN sandbox_messages m ON m.company_id = $1 AND m.connection_id = mine.connection_id
    WHERE $3::text IS NULL OR m.number = $3
    UNION ALL
    SELECT w.number, w.type, w.written_at, w.name, true, w.read_at
    FROM mine JOIN sandbox_written w ON w.company_id = $1 AND w.connection_id = mine.connection_id
    WHERE $3::text IS NULL OR w.number = $3
)
SELECT l.number AS chat,
       max(l.at) FILTER (WHERE l.at > coalesce(c.at, '-infinity')) AS last_at,
       count(*) FILTER (WHERE l.wrote AND l.read_at IS NULL AND l.at > coalesce(c.at, '-infinity')) AS unread,
       max(l.read_at) AS read_at,
       bool_or(l.wrote) AS wrote,
       (array_agg(l.name ORDER BY l.at DESC) FILTER (WHERE l.name IS NOT NULL))[1] AS name
FROM lines l LEFT JOIN cleared c ON c.id = l.number
WHERE l.type NOT IN ('reaction', 'edit', 'delete', 'pin')
GROUP BY l.number

-- name: read_chat
-- An account read a chat whole.
UPDATE sandbox_written w SET read_at = $4 FROM sandbox_sessions s
WHERE s.company_id = $1 AND s.phone = $2 AND w.company_id = $1 AND w.connection_id = s.connection_id
  AND w.number = $3 AND w.read_at IS NULL

-- name: list_lines
-- The paired sessions of some numbers.
SELECT connection_id, phone, status = 'connected' AS connected FROM sandbox_sessions
WHERE company_id = $1 AND paired AND phone = ANY($2::text[])
