-- name: want
-- Ask for a connection to be held by some engine. One that already stands is left as it is, unless it shows a code and
-- another way of pairing is asked for.
INSERT INTO native_sessions AS s (company_id, connection_id, wanted, method, pair_phone, status, changed_at)
VALUES ($1, $2, true, $3, $4, 'connecting', now())
ON CONFLICT (company_id, connection_id) DO UPDATE
SET wanted = true, logout = false, method = excluded.method, pair_phone = excluded.pair_phone, not_before = NULL,
    failures = 0, changed_at = now(),
    (status, reason) = (
        SELECT CASE WHEN stands THEN s.status ELSE 'connecting' END, CASE WHEN stands THEN s.reason END
        FROM (SELECT s.lease_until > now() AND NOT (
            s.status = 'qr' AND (s.method, s.pair_phone) IS DISTINCT FROM (excluded.method, excluded.pair_phone)
        ) AS stands) AS found
    )

-- name: unwant
-- Ask for a connection to be let go; with $3, for its pairing to be ended too.
UPDATE native_sessions SET wanted = false, logout = $3 AND device IS NOT NULL,
    status = CASE WHEN owner IS NULL OR lease_until <= now() THEN 'disconnected' ELSE status END,
    reason = CASE WHEN owner IS NULL OR lease_until <= now() THEN 'stopped' ELSE reason END,
    qr = NULL, pairing_code = NULL, expires_at = NULL
WHERE company_id = $1 AND connection_id = $2
RETURNING logout

-- name: get_session
-- A connection as the engine last told of it, and whether an engine holds it now.
SELECT status, reason, phone, device, qr, pairing_code, expires_at, details, wanted, logout, fence,
       owner IS NOT NULL AND lease_until > now() AS owned
FROM native_sessions WHERE company_id = $1 AND connection_id = $2

-- name: wake
-- Tell every process to look.
SELECT pg_notify('recado', $1)

-- name: enroll
-- An engine process is there.
INSERT INTO native_engines (id, capacity, version, seen_at) VALUES ($1, $2, $3, now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()

-- name: strike
-- An engine process takes nothing any more; those that are long gone are forgotten with it.
DELETE FROM native_engines WHERE id = $1 OR seen_at < now() - interval '1 hour'

-- name: count_engines
-- How many engines were seen of late, the version of one and what they can hold together; how many connections they are to
-- hold, do hold, and are to log out.
SELECT e.*, n.*
FROM (
    SELECT count(*) AS engines, max(version) AS version, coalesce(sum(capacity), 0) AS capacity
    FROM native_engines WHERE seen_at > now() - make_interval(secs => $1::float8)
) e, (
    SELECT count(*) FILTER (WHERE wanted AND (not_before IS NULL OR not_before <= now())) AS wanted,
           count(*) FILTER (WHERE wanted AND lease_until > now()) AS held,
           count(*) FILTER (WHERE logout) AS leaving
    FROM native_sessions WHERE wanted OR logout
) n

-- name: count_room
-- How many more connections the database takes from anybody.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce((SELECT sum(numbackends) FROM pg_stat_database), 0)::int

-- name: turn_away
-- Tell of connections that wait, and that no engine has room for.
UPDATE native_sessions s SET status = 'disconnected', reason = $1, changed_at = now()
FROM connections c
WHERE s.wanted AND (s.owner IS NULL OR s.lease_until <= now()) AND (s.not_before IS NULL OR s.not_before <= now())
  AND s.reason IS DISTINCT FROM $1 AND c.company_id = s.company_id AND c.id = s.connection_id
RETURNING s.company_id, s.connection_id, c.server_id

-- name: end_backends
-- End what a number's own pool left open.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1

-- name: claim_sessions
-- Take up to $2 connections that nobody holds, for $3 seconds; without $4 only those that are to be logged out, and never
-- those of $5, which the process has not closed yet. One that is taken stands for nothing until it tells so.
WITH free AS (
    SELECT s.company_id, s.connection_id, s.owner AS former, s.lease_until AS lost_at
    FROM native_sessions s
    WHERE ((s.wanted AND $4) OR s.logout) AND (s.owner IS NULL OR s.lease_until <= now())
      AND (s.not_before IS NULL OR s.not_before <= now()) AND s.connection_id <> ALL($5::uuid[])
    ORDER BY random() LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE native_sessions s
SET owner = $1, fence = s.fence + 1, lease_until = now() + make_interval(secs => $3::float8), not_before = NULL,
    status = CASE WHEN s.wanted THEN 'connecting' ELSE s.status END, reason = CASE WHEN NOT s.wanted THEN s.reason END
FROM free f, connections c
WHERE s.company_id = f.company_id AND s.connection_id = f.connection_id
  AND c.company_id = f.company_id AND c.id = f.connection_id
RETURNING s.company_id, s.connection_id, c.server_id, s.fence, s.device, s.method, s.pair_phone, s.wanted, s.logout,
          s.status, s.failures, CASE WHEN f.former IS NOT NULL THEN f.lost_at END AS lost_at

-- name: renew_sessions
-- Hold for longer, all in one statement, what this engine holds and has not given up; tell what it still holds. What it
-- could not release in time must end by itself.
UPDATE native_sessions SET lease_until = now() + make_interval(secs => $2::float8)
WHERE owner = $1 AND lease_until > now() AND connection_id = ANY($3::uuid[])
RETURNING connection_id, fence, wanted, logout, method, pair_phone

-- name: release_session
-- Let go of a connection, which failed $6 times in a row. It is not taken again for $5 seconds.
UPDATE native_sessions
SET owner = NULL, lease_until = NULL, failures = $6,
    not_before = CASE WHEN $5::float8 > 0 THEN now() + make_interval(secs => $5::float8) END
WHERE company_id = $1 AND connection_id = $2 AND owner = $3 AND fence = $4

-- name: release_all
-- Let go of whatever a process held that is known to be dead. Who takes it sees that it was lost, not let go of.
UPDATE native_sessions SET lease_until = now() WHERE owner = $1 AND lease_until > now()

-- name: report
-- Write how a connection stands, if the writer still holds it. An absent device or phone stays as it was.
UPDATE native_sessions
SET status = $4, reason = $5, qr = $6, pairing_code = $7, expires_at = $8, details = $9::jsonb,
    phone = coalesce($10, phone), device = CASE WHEN $12 THEN NULL ELSE coalesce($11, device) END,
    wanted = wanted AND NOT $13, logout = logout AND NOT $12, changed_at = now()
WHERE company_id = $1 AND connection_id = $2 AND fence = $3
RETURNING true

-- name: offer
-- Hand a command to the engine that holds the connection. A message that was handed over before is offered again only
-- where that ended without success, or with its engine; its secret stays.
WITH session AS MATERIALIZED (
    SELECT fence, status, reason, owner IS NOT NULL AND lease_until > now() AS owned
    FROM native_sessions WHERE company_id = $1 AND connection_id = $3
), offered AS (
    INSERT INTO native_commands AS c (company_id, id, connection_id, message_id, operation, request, payload, secret, deadline)
    SELECT $1, $2, $3, $4, $5, $6::jsonb, $7, $8, now() + make_interval(secs => $9::float8) FROM session WHERE owned
    ON CONFLICT (company_id, connection_id, message_id) WHERE message_id IS NOT NULL DO UPDATE
    SET request = excluded.request, payload = excluded.payload, deadline = excluded.deadline, owner = NULL, fence = NULL,
        claimed_at = NULL, replied_at = NULL, reply = NULL
    WHERE c.reply->>'outcome' IS DISTINCT FROM 'accepted'
      AND (c.claimed_at IS NULL OR c.replied_at IS NOT NULL OR c.fence <> (SELECT fence FROM session))
    RETURNING c.id
)
SELECT s.owned, s.status, s.reason,
       coalesce((SELECT id FROM offered),
                (SELECT id FROM native_commands WHERE company_id = $1 AND connection_id = $3 AND message_id = $4)) AS id,
       CASE WHEN EXISTS (SELECT FROM offered) THEN pg_notify('recado', 'native_commands') END AS told
FROM session s

-- name: list_replies
-- The answers that came to some commands.
SELECT id, reply, reply_payload FROM native_commands
WHERE (company_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND replied_at IS NOT NULL

-- name: withdraw
-- Take back a command that no engine has begun. One that was begun before stays, in doubt as it was.
WITH gone AS (
    DELETE FROM native_commands WHERE company_id = $1 AND id = $2 AND claimed_at IS NULL AND device IS NULL RETURNING true
), kept AS (
    UPDATE native_commands SET claimed_at = now(), replied_at = now(), payload = NULL,
        reply = jsonb_build_object('outcome', 'unknown', 'why', 'No engine settled what became of an earlier try.')
    WHERE company_id = $1 AND id = $2 AND claimed_at IS NULL AND device IS NOT NULL
)
SELECT EXISTS (SELECT FROM gone)

-- name: forget
-- Commands were answered and read.
DELETE FROM native_commands
WHERE (company_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND message_id IS NULL

-- name: find_message
-- What became of a message's command.
SELECT id, claimed_at IS NOT NULL AS begun, reply FROM native_commands
WHERE company_id = $1 AND connection_id = $2 AND message_id = $3

-- name: claim_commands
-- Begin commands for connections that this engine holds, the oldest first.
WITH held AS MATERIALIZED (
    SELECT company_id, connection_id, fence, device FROM native_sessions WHERE owner = $1 AND lease_until > now()
), waiting AS (
    SELECT c.company_id, c.id, c.device AS doubted, h.fence, h.device
    FROM held h, LATERAL (
        SELECT company_id, id, device FROM native_commands c
        WHERE c.connection_id = h.connection_id AND c.company_id = h.company_id AND c.claimed_at IS NULL
          AND c.deadline > now()
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
    ) c
    LIMIT $2
)
UPDATE native_commands c
SET claimed_at = now(), owner = $1, fence = w.fence, attempts = attempts + 1,
    device = coalesce(w.doubted, CASE WHEN c.message_id IS NOT NULL THEN coalesce(w.device, '') END)
FROM waiting w WHERE c.company_id = w.company_id AND c.id = w.id
RETURNING c.company_id, c.id, c.connection_id, c.message_id, c.operation, c.request, c.payload, c.secret, c.attempts,
          c.fence, w.doubted

-- name: reply
-- Answer a command that the writer began and nobody after it, and tell whoever waits.
WITH answered AS (
    UPDATE native_commands SET reply = $5::jsonb, reply_payload = $6, provider_id = coalesce($7, provider_id),
        payload = NULL, replied_at = now(), device = CASE WHEN $5::jsonb->>'outcome' = 'unknown' THEN device END
    WHERE company_id = $1 AND id = $2 AND owner = $3 AND fence = $4 RETURNING true
)
SELECT pg_notify('recado', 'native_replies') FROM answered

-- name: list_message_ids
-- Our own ids of messages that the engine sent, by the ids that whatsmeow gave them.
SELECT provider_id, message_id FROM native_commands
WHERE company_id = $1 AND connection_id = $2 AND provider_id = ANY($3::text[]) AND message_id IS NOT NULL

-- name: find_secret
-- The id under which whatsmeow was about to send the message that carries a secret.
SELECT message_id FROM whatsmeow.whatsmeow_message_secrets WHERE our_jid = $1 AND key = $2

-- name: prune
-- Forget old commands; those without a message after an hour, and then the bytes of those that nobody began.
WITH emptied AS (
    UPDATE native_commands SET payload = NULL
    WHERE created_at BETWEEN now() - interval '1 day' AND now() - interval '1 hour' AND payload IS NOT NULL
      AND message_id IS NOT NULL AND claimed_at IS NULL
)
DELETE FROM native_commands
WHERE created_at < $1 OR (message_id IS NULL AND created_at < now() - interval '1 hour')

-- name: find_poll
-- The options of a poll that the engine sent.
SELECT request->'content'->'options' AS options FROM native_commands
WHERE company_id = $1 AND connection_id = $2 AND provider_id = $3 AND request->>'kind' = 'poll'

-- name: get_secret
-- The secret that a message's command put into it, and the device on which what became of it is not proven.
SELECT secret, device FROM native_commands WHERE company_id = $1 AND connection_id = $2 AND message_id = $3

-- name: settle
-- End a command whose answer is lost, with the id that whatsmeow gave the message if it came so far.
UPDATE native_commands
SET provider_id = coalesce($4, provider_id), reply = coalesce(reply, $5::jsonb), replied_at = coalesce(replied_at, now()),
    payload = NULL
WHERE company_id = $1 AND connection_id = $2 AND message_id = $3

-- name: find_device
-- Whether whatsmeow has the keys of a device.
SELECT EXISTS (SELECT FROM whatsmeow.whatsmeow_device WHERE jid = $1)
