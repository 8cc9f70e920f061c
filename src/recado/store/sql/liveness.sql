-- name: heard
-- The provider posted something of these connections. Not written again within seconds; and whoever holds the row is
-- not waited for, since this stands in the transaction that processes webhooks.
WITH held AS MATERIALIZED (
    SELECT l.company_id, l.connection_id, w.at
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS w (company_id, connection_id, at)
    JOIN liveness l ON l.company_id = w.company_id AND l.connection_id = w.connection_id
        AND (l.heard_at IS NULL OR l.heard_at < w.at - interval '15 seconds')
    FOR NO KEY UPDATE OF l SKIP LOCKED
)
UPDATE liveness l SET heard_at = h.at,
    windows = CASE WHEN date_bin('10 minutes', h.at, 'epoch') > date_bin('10 minutes', l.heard_at, 'epoch')
        OR l.heard_at IS NULL THEN least(l.windows + 1, 6) ELSE l.windows END
FROM held h WHERE l.company_id = h.company_id AND l.connection_id = h.connection_id

-- name: count_calls
-- Status checks of connections, with the latency of those that were answered.
WITH held AS MATERIALIZED (
    SELECT l.company_id, l.connection_id, w.latency_ms, w.failed
    FROM unnest($1::uuid[], $2::uuid[], $3::float8[], $4::boolean[]) AS w (company_id, connection_id, latency_ms, failed)
    JOIN liveness l ON l.company_id = w.company_id AND l.connection_id = w.connection_id
    ORDER BY l.company_id, l.connection_id FOR NO KEY UPDATE OF l
)
UPDATE liveness l SET calls = faded(l.calls, l.counted_at, $5) + 1,
    failures = faded(l.failures, l.counted_at, $5) + h.failed::integer, counted_at = $5,
    latency_ms = coalesce(h.latency_ms, l.latency_ms)
FROM held h WHERE l.company_id = h.company_id AND l.connection_id = h.connection_id

-- name: get
-- What is known of the liveness of some connections of a company.
SELECT connection_id, latency_ms, error_rate, heard_at, evidence, evidence_at, evidence_reason, evidence_data
FROM liveness WHERE company_id = $1 AND connection_id = ANY($2::uuid[])

-- name: standing
-- The evidence that stands against some connections.
SELECT l.connection_id, l.evidence AS type, l.evidence_at AS at, l.evidence_reason AS reason, l.evidence_data AS data
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, connection_id)
JOIN liveness l ON l.company_id = w.company_id AND l.connection_id = w.connection_id AND l.evidence IS NOT NULL

-- name: due
-- Connections that send, or that evidence stands against, and were not judged since a time, the longest ago first.
-- The spread keeps them from being judged together; without it the bound is found by the index. What else is wanted of
-- them is joined afterwards, so that it never decides where the look begins.
WITH due AS MATERIALIZED (
    SELECT c.company_id, c.instance_id, c.id AS connection_id, c.kind, c.status, c.status_at, c.credentials, c.account,
           c.hook_key, c.server_id, l.heard_at, l.judged_at, l.watched_from, l.rhythm, l.windows, l.hour_at,
           l.evidence, l.evidence_at, l.canary_id, l.canary_at
    FROM liveness l
    JOIN connections c ON c.company_id = l.company_id AND c.id = l.connection_id
    WHERE (c.status IN ('connected', 'degraded') OR l.evidence IS NOT NULL) AND c.kind = ANY($1::text[])
        AND coalesce(l.judged_at, '-infinity'::timestamptz) <= $2::timestamptz + $3::interval
        AND coalesce(l.judged_at, '-infinity'::timestamptz) <= $2::timestamptz + random() * $3::interval
    ORDER BY coalesce(l.judged_at, '-infinity'::timestamptz) LIMIT $4
    FOR NO KEY UPDATE OF l SKIP LOCKED
)
SELECT d.*, s.base_url, s.credentials AS server_credentials, i.settings
FROM due d
JOIN instances i ON i.company_id = d.company_id AND i.id = d.instance_id
JOIN servers s ON s.id = d.server_id

-- name: claim
-- Take connections for judging: whoever claims next sees them as just judged. Where the last time was too long ago,
-- nobody watched in between.
UPDATE liveness l SET judged_at = $3,
    watched_from = CASE WHEN l.judged_at >= $4 THEN coalesce(l.watched_from, $3) ELSE $3 END
FROM unnest($1::uuid[], $2::uuid[]) AS w (company_id, connection_id)
WHERE l.company_id = w.company_id AND l.connection_id = w.connection_id

-- name: learn
-- What was learnt of the hours that are over, unless another process was faster.
UPDATE liveness SET rhythm = $4, windows = 0, hour_at = $5
WHERE company_id = $1 AND connection_id = $2 AND hour_at IS NOT DISTINCT FROM $3

-- name: recent_sends
-- The newest messages that connections sent, back to the first that something came of, with that: of those accepted last;
-- of those accepted some minutes ago, which a number in full swing has left behind; and, where many wait, of those
-- accepted before the one that is sent next.
SELECT w.company_id, w.connection_id, m.id, m.address, a.started_at, r.acknowledged_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS w (company_id, instance_id, connection_id)
CROSS JOIN LATERAL (
    SELECT DISTINCT s.id, s.address FROM (
        SELECT n.id, n.address, n.acknowledged, count(*) FILTER (WHERE n.acknowledged) OVER newer AS so_far
        FROM (
            SELECT 0 AS start, $6::uuid AS before
            UNION ALL SELECT 1, $5::uuid
            UNION ALL SELECT 2, min(head.message_id::text)::uuid FROM unnest(ARRAY[0, 1, 2]) AS p (priority), LATERAL (
                SELECT o.message_id FROM outbox o WHERE o.instance_id = w.instance_id AND o.lane_key = ''
                    AND o.priority = p.priority AND o.due_at <= $7
                ORDER BY o.due_at, o.message_id LIMIT 1) head
        ) f
        CROSS JOIN LATERAL (
            SELECT f.start, n.id, n.address, n.direction, n.status,
                   n.status IN ('server_ack', 'delivered', 'read', 'played') AS acknowledged
            FROM messages n
            WHERE n.company_id = w.company_id AND n.instance_id = w.instance_id AND n.id >= $4 AND n.id < f.before
            ORDER BY n.id DESC LIMIT 40
        ) n
        WHERE n.direction = 'outbound' AND n.status <> 'queued'
        WINDOW newer AS (PARTITION BY n.start ORDER BY n.id DESC)
    ) s
    WHERE s.so_far = 0 OR s.so_far = 1 AND s.acknowledged
) m
CROSS JOIN LATERAL (
    SELECT a.started_at FROM attempts a
    WHERE a.company_id = w.company_id AND a.message_id = m.id AND a.id >= $4 AND a.connection_id = w.connection_id
        AND a.outcome = 'accepted'
    ORDER BY a.id DESC LIMIT 1
) a
LEFT JOIN LATERAL (
    SELECT min(r.created_at) AS acknowledged_at FROM receipts r
    WHERE r.company_id = w.company_id AND r.message_id = m.id
) r ON true
ORDER BY w.connection_id, a.started_at DESC

-- name: peers
-- How many connections of servers send, and how many of them were heard since a time.
SELECT c.server_id, count(*) AS sending, count(*) FILTER (WHERE l.heard_at >= $2) AS talking
FROM connections c JOIN liveness l ON l.company_id = c.company_id AND l.connection_id = c.id
WHERE c.server_id = ANY($1::uuid[]) AND c.status IN ('connected', 'degraded')
GROUP BY c.server_id

-- name: set_evidence
-- Evidence stands against a connection, or (null) no longer does. Tells whether that is new.
UPDATE liveness SET evidence = $3, evidence_at = $4, evidence_reason = $5, evidence_data = $6
WHERE company_id = $1 AND connection_id = $2 AND evidence IS DISTINCT FROM $3
RETURNING connection_id

-- name: set_canary
-- The canary that waits for its acknowledgement, and when the last one was made.
UPDATE liveness SET canary_id = $3, canary_at = coalesce($4, canary_at) WHERE company_id = $1 AND connection_id = $2

-- name: get_canary
-- What became of a canary message.
SELECT m.status, a.started_at, a.connection_id,
       (SELECT min(r.created_at) FROM receipts r WHERE r.company_id = m.company_id AND r.message_id = m.id) AS acknowledged_at
FROM messages m
LEFT JOIN LATERAL (
    SELECT started_at, connection_id FROM attempts
    WHERE company_id = m.company_id AND message_id = m.id AND outcome = 'accepted' ORDER BY id DESC LIMIT 1
) a ON true
WHERE m.company_id = $1 AND m.id = $2

-- name: count_evidence
-- How many connections of each kind evidence stands against.
SELECT c.kind, l.evidence, count(*) AS connections
FROM liveness l JOIN connections c ON c.company_id = l.company_id AND c.id = l.connection_id
WHERE l.evidence IS NOT NULL GROUP BY c.kind, l.evidence

-- name: count_recoveries
-- How many connections are being brought back, and how many were given up.
SELECT count(*) FILTER (WHERE next_at IS NOT NULL) AS running, count(*) FILTER (WHERE next_at IS NULL) AS given_up
FROM recoveries

-- name: open_recoveries
-- Begin with connections that are in trouble: down, though nobody asked for it; connecting for too long, though it waits
-- for nobody; or with evidence against them. The first step waits a while, for most lines come back by themselves, and
-- not all at the same moment. In one order, so that no two processes wait for each other; one that is being deleted is
-- left out.
INSERT INTO recoveries (company_id, connection_id, instance_id, trouble, began_at, next_at)
SELECT t.company_id, t.id, t.instance_id, t.trouble, $1::timestamptz, $1::timestamptz + (0.5 + random() / 2) * $3::interval
FROM (
    SELECT c.company_id, c.id, c.instance_id, 'disconnected' AS trouble FROM connections c
    WHERE c.status = 'disconnected' AND c.status_reason IS DISTINCT FROM $2
    UNION ALL
    SELECT c.company_id, c.id, c.instance_id, 'disconnected' FROM connections c
    WHERE c.status = 'connecting' AND c.status_at <= $1::timestamptz - $4::interval AND c.pairing IS NULL
    UNION ALL
    SELECT c.company_id, c.id, c.instance_id, l.evidence FROM liveness l
    JOIN connections c ON c.company_id = l.company_id AND c.id = l.connection_id
    WHERE l.evidence IS NOT NULL AND c.status IN ('connected', 'degraded')
) t
JOIN instances i ON i.company_id = t.company_id AND i.id = t.instance_id
JOIN connections k ON k.company_id = t.company_id AND k.id = t.id
WHERE coalesce((i.settings -> 'liveness' ->> 'recover')::boolean, true)
    AND NOT EXISTS (SELECT FROM recoveries r WHERE r.company_id = t.company_id AND r.connection_id = t.id)
ORDER BY t.company_id, t.id LIMIT $5
FOR KEY SHARE OF k SKIP LOCKED
ON CONFLICT DO NOTHING

-- name: close_recoveries
-- End with connections that are no longer in trouble, or that only a person can help now. Some at a time, since each is
-- an event.
WITH over AS MATERIALIZED (
    SELECT r.company_id, r.connection_id, c.kind, c.status, c.status_reason
    FROM recoveries r
    JOIN connections c ON c.company_id = r.company_id AND c.id = r.connection_id
    JOIN liveness l ON l.company_id = r.company_id AND l.connection_id = r.connection_id
    WHERE (r.claimed_until IS NULL OR r.claimed_until <= $1)
        AND NOT (c.status = 'connecting'
            OR c.status = 'disconnected' AND c.status_reason IS DISTINCT FROM $2
            OR c.status IN ('connected', 'degraded') AND l.evidence IS NOT NULL)
    LIMIT $3 FOR UPDATE OF r SKIP LOCKED
)
DELETE FROM recoveries r USING over o WHERE r.company_id = o.company_id AND r.connection_id = o.connection_id
RETURNING r.company_id, r.connection_id, r.instance_id, r.trouble, r.began_at, r.steps, r.next_at, o.kind, o.status,
          o.status_reason

-- name: claim_recoveries
-- Take what is due, the longest due first, on servers that answer.
UPDATE recoveries r SET claimed_until = $2
FROM (
    SELECT d.company_id, d.connection_id FROM recoveries d
    JOIN connections c ON c.company_id = d.company_id AND c.id = d.connection_id
    JOIN servers s ON s.id = c.server_id
    JOIN instances i ON i.company_id = d.company_id AND i.id = d.instance_id
    WHERE d.next_at <= $1 AND (d.claimed_until IS NULL OR d.claimed_until <= $1) AND s.healthy
        AND c.kind = ANY($4::text[])
        AND coalesce((i.settings -> 'liveness' ->> 'recover')::boolean, true)
    ORDER BY d.next_at LIMIT $3
    FOR NO KEY UPDATE OF d SKIP LOCKED
) due
WHERE r.company_id = due.company_id AND r.connection_id = due.connection_id
RETURNING r.company_id, r.connection_id, r.instance_id, r.trouble, r.steps

-- name: begin_recovery
-- Take one connection now, unless a process is at it. One that was given up begins anew.
INSERT INTO recoveries AS r (company_id, connection_id, instance_id, trouble, began_at, next_at, claimed_until)
VALUES ($1, $2, $3, $4, $5, $5, $6)
ON CONFLICT (company_id, connection_id) DO UPDATE SET claimed_until = $6, next_at = $5, trouble = $4,
    steps = CASE WHEN r.next_at IS NULL THEN 0 ELSE r.steps END
    WHERE r.claimed_until IS NULL OR r.claimed_until <= $5
RETURNING r.steps

-- name: finish_recovery
-- How many steps were taken by now, and when the next one is due, if any.
UPDATE recoveries SET steps = $3, next_at = $4, claimed_until = NULL WHERE company_id = $1 AND connection_id = $2

-- name: summarise_server
-- The connections of a server together: how many send, how many of those were heard since a time and when the last one
-- was, and how many look dead.
SELECT count(*) FILTER (WHERE c.status IN ('connected', 'degraded')) AS sending,
       count(*) FILTER (WHERE c.status IN ('connected', 'degraded') AND l.heard_at >= $2) AS heard,
       max(l.heard_at) AS heard_at, count(l.evidence) AS dead
FROM connections c JOIN liveness l ON l.company_id = c.company_id AND l.connection_id = c.id
WHERE c.server_id = $1

-- name: any_of_server
-- A connection of a server that its provider can be asked about, one that sends if there is any.
SELECT c.company_id, c.instance_id, c.id AS connection_id, c.kind, c.credentials, c.account, c.hook_key, c.server_id,
       s.base_url, s.credentials AS server_credentials
FROM connections c JOIN servers s ON s.id = c.server_id
WHERE c.server_id = $1 AND c.status IN ('connected', 'degraded', 'disconnected')
ORDER BY c.status = 'disconnected', c.id LIMIT 1
