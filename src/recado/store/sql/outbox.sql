-- name: accept
-- History, work and wake-up of new messages in one statement. A message whose idempotency key exists is left out.
WITH given AS MATERIALIZED (
    -- What few messages have comes as one object, null where a message has none of it.
    SELECT g.*, more ->> 'reply_to' AS reply_to, more ->> 'client_id' AS client_id, more -> 'metadata' AS metadata,
           (more ->> 'send_at')::timestamptz AS send_at, coalesce((more ->> 'delay_ms')::integer, 0) AS delay_ms,
           coalesce((more ->> 'typing_ms')::integer, 0) AS typing_ms, (more ->> 'pause_ms')::integer AS pause_ms,
           more ->> 'idempotency_key' AS idempotency_key,
           coalesce((more ->> 'fallback')::boolean, false) AS fallback,
           decode(more ->> 'fingerprint', 'hex') AS fingerprint
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::smallint[], $8::text[],
        $9::jsonb[], $10::text[], $11::jsonb[], $12::boolean[]
    ) AS g (company_id, id, instance_id, conversation_id, contact_id, type, priority, address, content, lane_key, more,
            budgeted)
), fresh AS (
    INSERT INTO idempotency (company_id, key, fingerprint, message_id)
    SELECT company_id, idempotency_key, fingerprint, id FROM given WHERE idempotency_key IS NOT NULL
    ORDER BY company_id, idempotency_key, id
    ON CONFLICT DO NOTHING
    RETURNING message_id
), unknown AS MATERIALIZED (
    -- The chats whose messages are first contacts. Locked, so that whoever receives their first answer sees all of them.
    SELECT v.company_id, v.id
    FROM (SELECT company_id, instance_id, conversation_id, bool_or(budgeted) AS budgeted FROM given
          WHERE budgeted IS NOT NULL GROUP BY company_id, instance_id, conversation_id) g
    JOIN instances i ON i.company_id = g.company_id AND i.id = g.instance_id
    JOIN conversations v ON v.company_id = g.company_id AND v.id = g.conversation_id
    WHERE v.last_received_at IS NULL
      AND (i.cold_until > now() OR (g.budgeted AND (v.reached_at IS NULL OR v.reached_at < i.cold_since)))
    ORDER BY v.company_id, v.id
    FOR SHARE OF v
), new AS MATERIALIZED (
    SELECT g.*, greatest(coalesce(g.send_at, now()), now()) AS due_at, u.id IS NOT NULL AS cold
    FROM given g LEFT JOIN unknown u ON u.company_id = g.company_id AND u.id = g.conversation_id
    WHERE g.idempotency_key IS NULL OR g.id IN (SELECT message_id FROM fresh)
), woken AS (
    INSERT INTO lanes AS l (company_id, instance_id, key, next_at, woken)
    SELECT company_id, instance_id, lane_key, min(due_at), true FROM new
    GROUP BY company_id, instance_id, lane_key ORDER BY company_id, instance_id, lane_key COLLATE "C"
    ON CONFLICT (company_id, instance_id, key) DO UPDATE SET
        woken = true,
        next_at = CASE WHEN l.owner IS NULL
            THEN least(coalesce(l.next_at, 'infinity'), greatest(excluded.next_at, l.not_before))
            ELSE l.next_at END
), history AS (
    INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status, type, priority,
                          address, content, reply_to, client_id, metadata, fallback, created_at)
    SELECT company_id, id, instance_id, conversation_id, contact_id, 'outbound', 'queued', type, priority,
           address, content, reply_to, client_id, metadata, fallback, now()
    FROM new
), work AS (
    INSERT INTO outbox (company_id, message_id, instance_id, lane_key, priority, due_at, delay_ms, typing_ms, pause_ms,
                        fallback, cold, conversation_id)
    SELECT company_id, id, instance_id, lane_key, priority, due_at, delay_ms, typing_ms, pause_ms, fallback, cold,
           CASE WHEN cold THEN conversation_id END
    FROM new
), listening AS MATERIALIZED (
    -- The message's own row says that it was queued; the event is written where an endpoint asked for it.
    SELECT c.company_id FROM (SELECT DISTINCT company_id FROM new) c
    WHERE EXISTS (SELECT FROM webhooks w
                  WHERE w.company_id = c.company_id AND w.events && ARRAY['message.queued', '*'])
), noted AS (
    INSERT INTO events (company_id, id, type, instance_id, conversation_id, message_id, at, data)
    SELECT n.company_id, new_id(), 'message.queued', n.instance_id, n.conversation_id, n.id, now(),
           jsonb_build_object('message',
               jsonb_build_object('id', n.id, 'direction', 'outbound', 'to', n.address, 'type', n.type,
                                  'status', 'queued')
               || CASE WHEN n.client_id IS NULL THEN '{}' ELSE jsonb_build_object('client_id', n.client_id) END
               || CASE WHEN n.metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', n.metadata) END)
    FROM new n JOIN listening USING (company_id)
    ORDER BY n.id
), told AS (
    SELECT pg_notify('recado', 'lanes')
)
SELECT new.id, now() AS created_at FROM new, told

-- name: find_replayed
-- The first results of idempotency keys: what a repeat is answered with.
SELECT i.company_id, i.key, i.fingerprint, m.*
FROM unnest($1::uuid[], $2::text[]) AS k (company_id, key)
JOIN idempotency i ON i.company_id = k.company_id AND i.key = k.key
JOIN messages m ON m.company_id = i.company_id AND m.id = i.message_id

-- name: claim
-- Claim due lanes and the head of each; see claim_lanes in the schema for why this is a function.
SELECT * FROM claim_lanes($1, $2, $3, $4)

-- name: finish
-- Write what became of claimed messages and free their lanes. A row whose fence is not the lane's newest is left out.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::uuid[], $7::boolean[], $8::text[], $9::text[],
        $10::jsonb[], $11::timestamptz[], $12::timestamptz[], $13::integer[], $14::smallint[], $15::boolean[],
        $16::uuid[], $17::uuid[], $18::timestamptz[], $19::float8[], $20::text[], $21::text[], $22::text[],
        $23::uuid[], $24::uuid[], $25::text[], $26::jsonb[], $27::smallint[], $28::boolean[]
    ) AS g (company_id, instance_id, key, fence, message_id, done, status, provider_id,
            error, next_at, not_before, per_minute, spent, unproven,
            attempt_id, connection_id, started_at, duration_ms, outcome, code, why,
            event_id, conversation_id, event_type, event, number, typed)
), locked AS MATERIALIZED (
    SELECT l.company_id, l.instance_id, l.key
    FROM lanes l JOIN given g ON g.company_id = l.company_id AND g.instance_id = l.instance_id AND g.key = l.key
        AND g.fence = l.fence
    ORDER BY l.company_id, l.instance_id, l.key FOR UPDATE OF l
), ok AS MATERIALIZED (
    SELECT g.* FROM given g JOIN locked l
        ON l.company_id = g.company_id AND l.instance_id = g.instance_id AND l.key = g.key
), removed AS (
    DELETE FROM outbox o USING ok
    WHERE ok.done AND o.company_id = ok.company_id AND o.message_id = ok.message_id
    RETURNING o.company_id, o.message_id, o.pause_ms
), resting AS MATERIALIZED (
    -- The few that name the pause behind them.
    SELECT company_id, message_id, $1::timestamptz + pause_ms * interval '1 millisecond' AS until
    FROM removed WHERE pause_ms IS NOT NULL
), kept AS (
    UPDATE outbox o SET
        attempts = o.attempts + ok.spent,
        typing_ms = CASE WHEN ok.typed THEN 0 ELSE o.typing_ms END,
        unproven_at = CASE WHEN ok.unproven THEN coalesce(o.unproven_at, $1) END
    FROM ok WHERE NOT ok.done AND o.company_id = ok.company_id AND o.message_id = ok.message_id
), freed AS (
    UPDATE lanes l SET
        owner = NULL,
        message_id = CASE WHEN ok.unproven AND NOT ok.done THEN ok.message_id END,
        -- An instance that has one connection again writes no name before its calls: this is what it went through.
        connection_id = CASE WHEN l.connection_id IS NOT NULL THEN coalesce(ok.connection_id, l.connection_id) END,
        released = false,
        recent = CASE WHEN ok.per_minute = 0 OR ok.spent = 0 THEN l.recent ELSE
            array_append(ARRAY(SELECT r FROM unnest(l.recent) r WHERE r > $1 - interval '1 minute'), $1) END,
        not_before = CASE WHEN ok.spent = 0 THEN l.not_before ELSE
            greatest(coalesce(resting.until, ok.not_before), paced.until) END,
        next_at = CASE
            WHEN ok.next_at IS NOT NULL AND (ok.unproven OR NOT l.released) THEN ok.next_at
            WHEN l.woken OR EXISTS (
                SELECT FROM outbox o WHERE o.instance_id = l.instance_id AND o.lane_key = l.key
                    AND o.message_id <> ok.message_id)
            THEN greatest($1, coalesce(resting.until, ok.not_before), paced.until) END
    FROM ok LEFT JOIN resting ON resting.company_id = ok.company_id AND resting.message_id = ok.message_id, LATERAL (
        -- The oldest of the last `per_minute` sends must be a minute ago before the next one.
        SELECT CASE WHEN ok.per_minute > 0 AND ok.spent > 0 THEN (
            SELECT r + interval '1 minute' FROM lanes me, unnest(array_append(me.recent, $1)) r
            WHERE me.company_id = ok.company_id AND me.instance_id = ok.instance_id AND me.key = ok.key
                AND r > $1 - interval '1 minute'
            ORDER BY r DESC OFFSET ok.per_minute - 1 LIMIT 1) END AS until
    ) paced
    WHERE l.company_id = ok.company_id AND l.instance_id = ok.instance_id AND l.key = ok.key
), said AS (
    UPDATE messages m SET
        status = CASE WHEN m.status IN ('queued', 'unproven') THEN ok.status ELSE m.status END,
        provider_id = coalesce(ok.provider_id, m.provider_id),
        error = CASE WHEN m.status IN ('queued', 'unproven') THEN ok.error ELSE m.error END
    FROM ok WHERE ok.status IS NOT NULL AND m.company_id = ok.company_id AND m.id = ok.message_id
), tried AS (
    INSERT INTO attempts (company_id, id, message_id, connection_id, number, started_at, duration_ms, outcome, code,
                          why, provider_id)
    SELECT company_id, attempt_id, message_id, connection_id, number, started_at, duration_ms, outcome, code, why,
           provider_id
    FROM ok WHERE attempt_id IS NOT NULL
), known AS (
    INSERT INTO provider_ids (company_id, instance_id, kind, provider_id, message_id)
    SELECT company_id, instance_id, 'message', provider_id, message_id FROM ok WHERE provider_id IS NOT NULL
    ORDER BY company_id, instance_id, provider_id
    ON CONFLICT DO NOTHING
), dead AS (
    INSERT INTO dead_letters (company_id, message_id, instance_id, attempts, code, why, died_at)
    SELECT ok.company_id, ok.message_id, ok.instance_id,
           (SELECT o.attempts + ok.spent FROM outbox o WHERE o.company_id = ok.company_id AND o.message_id = ok.message_id),
           coalesce(ok.code, 'unknown'), coalesce(ok.why, ''), $1
    FROM ok JOIN outbox o ON o.company_id = ok.company_id AND o.message_id = ok.message_id WHERE ok.status = 'failed'
    ON CONFLICT (company_id, message_id) DO UPDATE SET code = excluded.code, why = excluded.why,
        attempts = excluded.attempts, died_at = excluded.died_at
), noted AS (
    INSERT INTO events (company_id, id, type, instance_id, conversation_id, message_id, at, data)
    SELECT company_id, event_id, event_type, instance_id, conversation_id, message_id, $1, event
    FROM ok WHERE event_type IS NOT NULL
)
SELECT ok.message_id, ok.company_id, ok.instance_id, ok.provider_id,
       ok.provider_id IS NOT NULL AND EXISTS (
           SELECT FROM receipts r WHERE r.company_id = ok.company_id AND r.instance_id = ok.instance_id
               AND r.provider_id = ok.provider_id AND r.message_id IS NULL) AS early
FROM ok

-- name: mark_resent
-- Before a message that may have been sent is sent again: say so on the message.
WITH cleared AS (
    UPDATE outbox SET unproven_at = NULL WHERE company_id = $1 AND message_id = $2
)
UPDATE messages SET resent = true WHERE company_id = $1 AND id = $2

-- name: next_due
-- When the next lane is due.
SELECT min(next_at) FROM lanes WHERE next_at IS NOT NULL AND NOT parked

-- name: cancel
-- Take waiting messages back: one, or all of an instance. What is being sent is not touched.
WITH gone AS (
    DELETE FROM outbox o USING lanes l
    WHERE o.company_id = $1 AND o.instance_id = $2 AND ($3::uuid IS NULL OR o.message_id = $3)
        AND l.company_id = o.company_id AND l.instance_id = o.instance_id AND l.key = o.lane_key
        AND l.message_id IS DISTINCT FROM o.message_id
    RETURNING o.message_id
)
UPDATE messages m SET status = 'cancelled' FROM gone
WHERE m.company_id = $1 AND m.id = gone.message_id
RETURNING m.id, m.conversation_id, m.client_id, m.metadata, m.address, m.type

-- name: has_fallback
-- Whether a waiting message may go as text where a provider cannot render it.
SELECT fallback FROM outbox WHERE company_id = $1 AND message_id = $2

-- name: keep_content
-- Write what a message carries from now on. Nothing where the claim it is written under is over. Under this claim it is not
-- sent any more: should the process end now, nothing is in doubt, so the lane does not name it any longer.
WITH held AS (
    UPDATE lanes l SET message_id = CASE WHEN o.unproven_at IS NOT NULL THEN l.message_id END
    FROM outbox o
    WHERE l.company_id = $1 AND l.instance_id = $2 AND l.key = $3 AND l.fence = $4
        AND o.company_id = $1 AND o.message_id = $5
    RETURNING l.company_id
)
UPDATE messages m SET content = $6 FROM held WHERE m.company_id = $1 AND m.id = $5
RETURNING m.id

-- name: lock_lanes
-- Hold an instance's lanes still while its queue is changed.
SELECT key FROM lanes WHERE company_id = $1 AND instance_id = $2 ORDER BY key FOR UPDATE

-- name: requeue
-- Put messages that ended in failure, or that nobody could prove, back into their lanes: now, behind the pacing of all.
WITH chosen AS MATERIALIZED (
    SELECT m.company_id, m.id, m.instance_id, m.priority, m.fallback, k.lane_key
    FROM unnest($2::uuid[], $3::text[]) AS k (id, lane_key)
    JOIN messages m ON m.company_id = $1 AND m.id = k.id
    WHERE m.status IN ('failed', 'unproven') AND m.direction = 'outbound'
        AND NOT EXISTS (SELECT FROM outbox o WHERE o.company_id = m.company_id AND o.message_id = m.id)
), woken AS (
    INSERT INTO lanes AS l (company_id, instance_id, key, next_at, woken)
    SELECT DISTINCT company_id, instance_id, lane_key, now(), true FROM chosen ORDER BY 1, 2, 3
    ON CONFLICT (company_id, instance_id, key) DO UPDATE SET
        woken = true,
        next_at = CASE WHEN l.owner IS NULL
            THEN least(coalesce(l.next_at, 'infinity'), greatest(excluded.next_at, l.not_before))
            ELSE l.next_at END
), work AS (
    INSERT INTO outbox (company_id, message_id, instance_id, lane_key, priority, due_at, fallback)
    SELECT company_id, id, instance_id, lane_key, priority, now(), fallback FROM chosen
), buried AS (
    DELETE FROM dead_letters d USING chosen c WHERE d.company_id = c.company_id AND d.message_id = c.id
), told AS (
    SELECT pg_notify('recado', 'lanes')
)
UPDATE messages m SET status = 'queued', error = NULL, resent = m.resent OR m.status = 'unproven'
FROM chosen c, told WHERE m.company_id = c.company_id AND m.id = c.id
RETURNING m.id

-- name: summarise
-- An instance's queue in numbers.
SELECT count(*) AS waiting,
       count(*) FILTER (WHERE o.due_at > now()) AS scheduled,
       count(*) FILTER (WHERE o.attempts > 0 AND o.unproven_at IS NULL) AS retrying,
       count(*) FILTER (WHERE o.unproven_at IS NOT NULL) AS unproven,
       count(*) FILTER (WHERE l.owner IS NOT NULL AND l.message_id = o.message_id) AS sending,
       min(o.created_at) AS oldest_at,
       min(l.next_at) FILTER (WHERE l.owner IS NULL) AS next_send_at
FROM outbox o JOIN lanes l ON l.company_id = o.company_id AND l.instance_id = o.instance_id AND l.key = o.lane_key
WHERE o.company_id = $1 AND o.instance_id = $2

-- name: list_waiting
-- What waits, in the order of acceptance, from a message on. The messages of the page are looked up one by one: the
-- planner, which may remember an empty queue, would look up all that waits before it takes the page of it.
SELECT o.message_id AS id, m.type, m.address AS "to", o.priority, o.due_at, o.attempts, o.created_at, m.client_id,
       CASE WHEN l.owner IS NOT NULL AND l.message_id = o.message_id THEN 'sending'
            WHEN o.unproven_at IS NOT NULL THEN 'unproven'
            WHEN o.due_at > now() THEN 'scheduled'
            WHEN o.attempts > 0 THEN 'retrying' ELSE 'queued' END AS state
FROM (
    SELECT message_id, lane_key, priority, due_at, attempts, unproven_at, created_at FROM outbox
    WHERE company_id = $1 AND instance_id = $2 AND ($3::uuid IS NULL OR message_id > $3)
    ORDER BY message_id LIMIT $4
) o
JOIN lanes l ON l.company_id = $1 AND l.instance_id = $2 AND l.key = o.lane_key
CROSS JOIN LATERAL (
    SELECT type, address, client_id FROM messages WHERE company_id = $1 AND id = o.message_id LIMIT 1
) m
ORDER BY o.message_id

-- name: list_in_order
-- What waits, with what it carries, lane after lane and each in its order: behind a place, or behind as many as are passed
-- over. The warm and the cold of a lane are a range of the index each, of which no more is read than the page can need.
SELECT o.message_id AS id, o.lane_key, o.priority, o.due_at, o.typing_ms, o.pause_ms, o.created_at, m.content, m.address,
       m.client_id
FROM (
    SELECT b.*
    FROM lanes l
    CROSS JOIN LATERAL (
        SELECT CASE WHEN l.key = $3::text THEN $4::smallint ELSE -1 END AS priority,
               CASE WHEN l.key = $3 THEN $5::timestamptz ELSE '-infinity' END AS due_at,
               CASE WHEN l.key = $3 THEN $6::uuid ELSE '00000000-0000-0000-0000-000000000000' END AS message_id
    ) p
    CROSS JOIN unnest(ARRAY[false, true]) AS c (cold)
    CROSS JOIN LATERAL (
        SELECT message_id, lane_key, priority, due_at, typing_ms, pause_ms, created_at FROM outbox
        WHERE instance_id = $2 AND lane_key = l.key AND cold = c.cold
            AND (priority, due_at, message_id) > (p.priority, p.due_at, p.message_id)
        ORDER BY priority, due_at, message_id LIMIT $7::bigint + $8::bigint
    ) b
    WHERE l.company_id = $1 AND l.instance_id = $2 AND l.key >= $3
    ORDER BY l.key, b.priority, b.due_at, b.message_id LIMIT $7 OFFSET $8
) o
CROSS JOIN LATERAL (
    -- One by one, however small the partition was when this was planned.
    SELECT content, address, client_id FROM messages WHERE company_id = $1 AND id = o.message_id LIMIT 1
) m
ORDER BY o.lane_key, o.priority, o.due_at, o.message_id

-- name: count_waiting
-- How many messages wait for an instance.
SELECT count(*) FROM outbox WHERE company_id = $1 AND instance_id = $2

-- name: is_taken
-- Whether a waiting message is being sent, or may have been; null for one that does not wait.
SELECT l.message_id IS NOT DISTINCT FROM o.message_id
FROM outbox o
JOIN lanes l ON l.company_id = o.company_id AND l.instance_id = o.instance_id AND l.key = o.lane_key
WHERE o.company_id = $1 AND o.instance_id = $2 AND o.message_id = $3
