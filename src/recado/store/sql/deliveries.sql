-- name: claim
-- Claim due lanes, a few per endpoint, and the head of each; see claim_deliveries in the schema.
SELECT company_id, webhook_id, key, fence, delivery_id, attempts, url, secret, previous_secret, previous_until,
       failing_since, number, first_at, event_id, type, event_at AS at, instance_id, conversation_id, sequence, data,
       format, callback, message_id
FROM claim_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: finish
-- Write what became of claimed deliveries and free their lanes. What is not its lane's newest claim is left out. What
-- was skipped had no attempt. What steps aside goes on in a lane of its own, named as the delivery.
-- The lanes are locked first, in the order every writer takes them; woken is then read from the locked version, so
-- an event that came meanwhile is seen either as pending or as woken.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::uuid[], $8::smallint[], $9::timestamptz[],
        $10::float8[], $11::integer[], $12::text[], $13::text[], $14::timestamptz[], $15::boolean[]
    ) AS g (company_id, webhook_id, key, fence, delivery_id, number, at,
            duration_ms, answer, error, status, retry_at, aside)
), locked AS MATERIALIZED (
    SELECT l.company_id, l.webhook_id, l.key, l.fence, l.parked
    FROM delivery_lanes l JOIN given g ON g.company_id = l.company_id AND g.webhook_id = l.webhook_id
        AND g.key = l.key AND g.fence = l.fence
    WHERE l.owner = $2
    ORDER BY l.company_id, l.webhook_id, l.key FOR UPDATE OF l
), ok AS MATERIALIZED (
    SELECT g.*, l.parked FROM given g JOIN locked l ON l.company_id = g.company_id AND l.webhook_id = g.webhook_id
        AND l.key = g.key AND l.fence = g.fence
), tried AS (
    INSERT INTO delivery_attempts (company_id, delivery_id, number, at, duration_ms, status, error)
    SELECT company_id, delivery_id, number, at, duration_ms, answer, error FROM ok WHERE status <> 'skipped'
), written AS (
    UPDATE deliveries d SET
        status = ok.status,
        lane_key = CASE WHEN ok.aside THEN ok.delivery_id::text ELSE d.lane_key END,
        attempts = d.attempts + (ok.status <> 'skipped')::integer,
        last_status = ok.answer,
        last_error = ok.error,
        delivered_at = CASE WHEN ok.status = 'delivered' THEN $1::timestamptz END
    FROM ok WHERE d.company_id = ok.company_id AND d.id = ok.delivery_id
), aside AS (
    INSERT INTO delivery_lanes (company_id, webhook_id, key, next_at, parked)
    SELECT company_id, webhook_id, delivery_id::text, retry_at, parked FROM ok WHERE aside
    ON CONFLICT (company_id, webhook_id, key) DO UPDATE SET next_at = excluded.next_at
), freed AS (
    UPDATE delivery_lanes l SET
        owner = NULL,
        woken = false,
        next_at = CASE
            WHEN ok.status = 'pending' AND NOT ok.aside THEN ok.retry_at
            WHEN l.woken OR EXISTS (
                SELECT FROM deliveries p WHERE p.webhook_id = l.webhook_id AND p.lane_key = l.key
                    AND p.status = 'pending' AND p.id <> ok.delivery_id)
            THEN $1 END
    FROM ok WHERE l.company_id = ok.company_id AND l.webhook_id = ok.webhook_id AND l.key = ok.key
    RETURNING ok.delivery_id, ok.fence, l.company_id, l.webhook_id, l.next_at
)
SELECT f.delivery_id, f.fence, f.next_at, w.failing_since
FROM freed f JOIN webhooks w ON w.company_id = f.company_id AND w.id = f.webhook_id

-- name: park
-- Stop looking at an endpoint's lanes. A delivery in flight ends as it ends.
WITH held AS MATERIALIZED (
    SELECT key FROM delivery_lanes WHERE company_id = $1 AND webhook_id = $2 AND NOT parked ORDER BY key FOR UPDATE
)
UPDATE delivery_lanes l SET parked = true
FROM held WHERE l.company_id = $1 AND l.webhook_id = $2 AND l.key = held.key

-- name: release
-- Look at an endpoint's lanes again, at once.
WITH held AS MATERIALIZED (
    SELECT key FROM delivery_lanes WHERE company_id = $1 AND webhook_id = $2 ORDER BY key FOR UPDATE
)
UPDATE delivery_lanes l SET parked = false,
    next_at = CASE WHEN l.next_at IS NULL OR (l.owner IS NOT NULL AND l.next_at > $3) THEN l.next_at ELSE $3 END
FROM held WHERE l.company_id = $1 AND l.webhook_id = $2 AND l.key = held.key

-- name: forget_attempts
-- Give what waits for an endpoint a fresh run of retries. The attempts themselves stay listed.
UPDATE deliveries SET attempts = 0
WHERE company_id = $1 AND webhook_id = $2 AND status = 'pending' AND attempts > 0

-- name: hasten
-- An endpoint recovered: what waits for its next retry goes at once.
WITH held AS MATERIALIZED (
    SELECT key FROM delivery_lanes WHERE company_id = $1 AND webhook_id = $2 AND owner IS NULL AND next_at > $3
    ORDER BY key FOR UPDATE
)
UPDATE delivery_lanes l SET next_at = $3
FROM held WHERE l.company_id = $1 AND l.webhook_id = $2 AND l.key = held.key AND l.owner IS NULL

-- name: wake_lane
-- Hold a lane, made if need be, and have it looked at at once.
INSERT INTO delivery_lanes AS l (company_id, webhook_id, key, next_at, woken, parked)
VALUES ($1, $2, $3, now(), true, $4)
ON CONFLICT (company_id, webhook_id, key) DO UPDATE
SET woken = true, next_at = CASE WHEN l.owner IS NULL THEN now() ELSE l.next_at END

-- name: insert_delivery
-- One event to one endpoint, whatever its filter.
INSERT INTO deliveries (company_id, id, webhook_id, event_id, lane_key, sequence)
SELECT e.company_id, $2, $3, e.id, $5, e.sequence FROM events e WHERE e.company_id = $1 AND e.id = $4
RETURNING *

-- name: requeue
-- Put one delivery back, with a fresh run of retries.
UPDATE deliveries SET status = 'pending', attempts = 0, delivered_at = NULL
WHERE company_id = $1 AND id = $2
RETURNING *

-- name: replay
-- Deliver the events from an id on that match an endpoint's filter again, in their order; what waits already is left.
-- One of the format zapi says which callbacks it takes ($8), as in fan_out.
WITH wanted AS MATERIALIZED (
    SELECT e.id, e.sequence, c.callback,
           CASE WHEN $8::text[] = '{}' THEN coalesce(e.conversation_id::text, e.instance_id::text, '')
                ELSE e.instance_id::text END AS key
    FROM events e
    CROSS JOIN LATERAL (
        SELECT NULL::text AS callback WHERE $8::text[] = '{}'
        UNION ALL
        SELECT b.callback FROM unnest(zapi_callbacks(e.type)) AS b (callback) WHERE b.callback = ANY($8::text[])
    ) c
    WHERE e.company_id = $1 AND e.id >= $3 AND ($4::uuid IS NULL OR e.instance_id = $4)
        AND ('*' = ANY($5::text[]) OR e.type = ANY($5)) AND e.type <> 'webhook.test'
        AND NOT EXISTS (
            SELECT FROM deliveries p WHERE p.webhook_id = $2 AND p.status = 'pending' AND p.sequence = e.sequence
                AND p.lane_key = CASE WHEN $8::text[] = '{}'
                    THEN coalesce(e.conversation_id::text, e.instance_id::text, '') ELSE e.instance_id::text END
                AND p.callback IS NOT DISTINCT FROM c.callback)
    ORDER BY e.id LIMIT $7
), lanes AS (
    INSERT INTO delivery_lanes AS l (company_id, webhook_id, key, next_at, woken, parked)
    SELECT DISTINCT $1, $2::uuid, key COLLATE "C", now(), true, $6::boolean FROM wanted ORDER BY 3
    ON CONFLICT (company_id, webhook_id, key) DO UPDATE
    SET woken = true, next_at = CASE WHEN l.owner IS NULL THEN coalesce(l.next_at, now()) ELSE l.next_at END
), made AS (
    INSERT INTO deliveries (company_id, id, webhook_id, event_id, lane_key, sequence, callback)
    SELECT $1, new_id(), $2, id, key, sequence, callback FROM wanted ORDER BY sequence
)
SELECT count(*) AS deliveries, max(id::text)::uuid AS last_id FROM wanted

-- name: move
-- Give what waits at one endpoint for some callbacks to another; the lanes that it waits in then.
WITH moved AS (
    UPDATE deliveries SET webhook_id = $3, attempts = 0
    WHERE company_id = $1 AND webhook_id = $2 AND status = 'pending' AND callback = ANY($4::text[])
    RETURNING lane_key
)
SELECT DISTINCT lane_key FROM moved ORDER BY lane_key

-- name: skip_waiting
-- What waits for an endpoint of the format zapi that is forgotten is told to nobody.
UPDATE deliveries SET status = 'skipped', last_error = 'The webhook was taken away.'
WHERE company_id = $1 AND webhook_id = $2 AND status = 'pending'

-- name: follow
-- What still waits at a forgotten endpoint of the format zapi was being written when its callback went to another address:
-- it follows there. The lanes that it waits in then.
WITH late AS MATERIALIZED (
    SELECT d.company_id, d.id, d.lane_key, n.id AS webhook_id, n.status = 'paused' AS parked
    FROM webhooks w
    JOIN deliveries d ON d.webhook_id = w.id AND d.status = 'pending'
    JOIN webhooks n ON n.company_id = w.company_id AND n.instance_id = w.instance_id AND n.format = 'zapi'
        AND n.events <> '{}' AND d.callback = ANY(n.callbacks)
    WHERE w.format = 'zapi' AND w.events = '{}'
), moved AS (
    UPDATE deliveries d SET webhook_id = l.webhook_id, attempts = 0
    FROM late l WHERE d.company_id = l.company_id AND d.id = l.id
)
SELECT DISTINCT company_id, webhook_id, lane_key, parked FROM late ORDER BY company_id, webhook_id, lane_key

-- name: get_delivery
-- One delivery; with an instance given, only to that instance's own endpoints.
SELECT d.*, l.next_at, e.type FROM deliveries d
JOIN webhooks w ON w.company_id = d.company_id AND w.id = d.webhook_id AND w.events <> '{}'
LEFT JOIN delivery_lanes l ON d.status = 'pending' AND l.company_id = d.company_id AND l.webhook_id = d.webhook_id
    AND l.key = d.lane_key
LEFT JOIN events e ON e.company_id = d.company_id AND e.id = d.event_id
WHERE d.company_id = $1 AND d.id = $2 AND ($3::uuid IS NULL OR w.instance_id = $3)

-- name: list_deliveries
-- A page of an endpoint's deliveries, the newest first.
SELECT d.*, l.next_at, e.type FROM (
    SELECT * FROM deliveries
    WHERE company_id = $1 AND webhook_id = $2 AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR id < $4)
    ORDER BY id DESC LIMIT $5
) d
LEFT JOIN delivery_lanes l ON d.status = 'pending' AND l.company_id = d.company_id AND l.webhook_id = d.webhook_id
    AND l.key = d.lane_key
LEFT JOIN LATERAL (SELECT type FROM events v WHERE v.company_id = d.company_id AND v.id = d.event_id LIMIT 1) e ON true
ORDER BY d.id DESC

-- name: list_attempts
-- The attempts of some deliveries, in order.
SELECT delivery_id, number, at, duration_ms, status, error FROM delivery_attempts
WHERE company_id = $1 AND delivery_id = ANY($2::uuid[]) ORDER BY delivery_id, number

-- name: count_pending
-- What waits for an endpoint.
SELECT count(*) FROM deliveries WHERE company_id = $1 AND webhook_id = $2 AND status = 'pending'

-- name: sweep
-- Lanes with work that nobody would ever look at: parked at an endpoint that is active, by an event that raced with its
-- resumption; or idle, which would be a lost wake-up and a bug.
WITH stuck AS MATERIALIZED (
    SELECT l.company_id, l.webhook_id, l.key
    FROM delivery_lanes l JOIN webhooks w ON w.company_id = l.company_id AND w.id = l.webhook_id
    WHERE w.status = 'active' AND (l.parked OR l.next_at IS NULL AND EXISTS (
        SELECT FROM deliveries p
        WHERE p.webhook_id = l.webhook_id AND p.lane_key = l.key AND p.status = 'pending'))
    ORDER BY l.company_id, l.webhook_id, l.key FOR UPDATE OF l SKIP LOCKED
)
UPDATE delivery_lanes l SET parked = false, next_at = coalesce(l.next_at, now()), woken = true
FROM stuck s WHERE l.company_id = s.company_id AND l.webhook_id = s.webhook_id AND l.key = s.key
RETURNING l.company_id, l.webhook_id, l.key
