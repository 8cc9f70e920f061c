-- name: insert_connection
-- Place an instance on a server.
INSERT INTO connections (company_id, id, instance_id, server_id, kind, rank, status, credentials, account, hook_key,
                         active)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
RETURNING company_id, id, instance_id, server_id, kind, rank, status, status_reason, status_at, credentials, account,
          hook_key, pairing, checked_at, active, activated_by, opened, opening_until;

-- name: list_of_instances
-- The connections of several instances, the best rank first.
SELECT c.company_id, c.id, c.instance_id, c.server_id, c.kind, c.rank, c.status, c.status_reason, c.status_at,
       c.credentials, c.account, c.hook_key, c.pairing, c.checked_at, c.active, c.activated_by, c.opened,
       c.opening_until, l.latency_ms, l.error_rate, l.heard_at, l.evidence
FROM connections c LEFT JOIN liveness l ON l.company_id = c.company_id AND l.connection_id = c.id
WHERE c.company_id = $1 AND c.instance_id = ANY($2::uuid[]) ORDER BY c.instance_id, c.rank;

-- name: get_connection
-- One connection of an instance.
SELECT c.company_id, c.id, c.instance_id, c.server_id, c.kind, c.rank, c.status, c.status_reason, c.status_at,
       c.credentials, c.account, c.hook_key, c.pairing, c.checked_at, c.active, c.activated_by, c.opened,
       c.opening_until, l.latency_ms, l.error_rate, l.heard_at, l.evidence
FROM connections c LEFT JOIN liveness l ON l.company_id = c.company_id AND l.connection_id = c.id
WHERE c.company_id = $1 AND c.instance_id = $2 AND c.id = $3;

-- name: lock_connection
-- A connection and its instance, held against other changes of status. Weak enough for messages to be accepted.
SELECT c.id, c.instance_id, c.kind, c.rank, c.status, c.status_reason, c.status_at, c.pairing, c.checked_at, c.active,
       i.status AS instance_status, i.paused, i.phone
FROM connections c JOIN instances i ON i.company_id = c.company_id AND i.id = c.instance_id
WHERE c.company_id = $1 AND c.id = $2
FOR NO KEY UPDATE OF i, c;

-- name: lock_instance
-- Hold an instance against other changes of status, before its connections are looked at.
SELECT i.id FROM instances i
WHERE i.company_id = $1 AND i.id = (SELECT instance_id FROM connections WHERE company_id = $1 AND id = $2)
FOR NO KEY UPDATE;

-- name: set_status
-- How a connection stands; the times are those of the change of status, and of that between sending and not.
UPDATE connections
SET status = $3, status_reason = $4, pairing = $5, checked_at = $6,
    status_at = CASE WHEN status = $3 THEN status_at ELSE $6 END,
    turned_at = CASE WHEN (status = ANY($7::text[])) = ($3 = ANY($7::text[])) THEN turned_at ELSE $6 END
WHERE company_id = $1 AND id = $2;

-- name: active_status
-- How the connection that an instance sends through stands.
SELECT status, status_reason FROM connections WHERE company_id = $1 AND instance_id = $2 AND active;

-- name: set_checked
-- Remember that a connection was asked and nothing had changed.
UPDATE connections SET checked_at = $3 WHERE company_id = $1 AND id = $2;

-- name: set_credentials
-- New credentials of a connection.
UPDATE connections SET credentials = $3, account = $4 WHERE company_id = $1 AND id = $2;

-- name: begin_session
-- One at a time opens a connection's session, so that the secrets we keep are those that the provider has. No row:
-- somebody else opens it now, or did.
UPDATE connections SET opening_until = now() + $3::interval
WHERE company_id = $1 AND id = $2 AND account IS NULL AND (opening_until IS NULL OR opening_until <= now())
RETURNING opening_until;

-- name: leave_session
-- The session could not be opened, as far as we know: others need not wait, and it may be there.
UPDATE connections SET opening_until = now() WHERE company_id = $1 AND id = $2 AND opening_until = $3;

-- name: set_session
-- The session that we made for a connection at its provider. No row: who opens it now, or did, came later.
UPDATE connections SET credentials = $3, account = $4, opened = true, opening_until = NULL
WHERE company_id = $1 AND id = $2 AND opening_until = $5
RETURNING id;

-- name: unset_ranks
-- Make room for new ranks: they are unique at every moment.
UPDATE connections SET rank = -rank WHERE company_id = $1 AND instance_id = $2;

-- name: set_ranks
-- The ranks of an instance's connections.
UPDATE connections c SET rank = w.rank
FROM unnest($2::uuid[], $3::integer[]) AS w (id, rank) WHERE c.company_id = $1 AND c.id = w.id;

-- name: deactivate
-- The instance's connection stands by, for another to become the active one.
UPDATE connections SET active = false WHERE company_id = $1 AND instance_id = $2 AND active;

-- name: activate
-- The instance sends through this connection.
UPDATE connections SET active = true, activated_by = $3, activated_at = now() WHERE company_id = $1 AND id = $2;

-- name: delete_connection
-- Remove a connection and give back its place.
WITH gone AS (
    DELETE FROM connections WHERE company_id = $1 AND id = $2 RETURNING server_id
)
UPDATE servers s SET instances = greatest(s.instances - 1, 0) FROM gone WHERE s.id = gone.server_id;

-- name: candidates
-- Instances, after one, whose active connection does not send while another one could, or that could go back to a better
-- one; and whose settings leave that to us. Whether it is time is decided on the locked rows.
SELECT DISTINCT s.company_id, s.instance_id
FROM connections s
JOIN connections a ON a.company_id = s.company_id AND a.instance_id = s.instance_id AND a.active
JOIN instances i ON i.company_id = s.company_id AND i.id = s.instance_id
JOIN servers v ON v.id = s.server_id
JOIN servers w ON w.id = a.server_id
WHERE NOT s.active AND s.status = ANY($1::text[]) AND v.healthy AND (s.company_id, s.instance_id) > ($3, $4) AND (
    ((a.status <> ALL($1::text[]) OR NOT w.healthy) AND a.status_reason IS DISTINCT FROM $5
        AND i.settings #>> '{failover,mode}' IS DISTINCT FROM 'manual')
    OR (s.rank < a.rank AND s.status = 'connected' AND a.activated_by <> 'requested'
        AND i.settings #>> '{failover,back}' IS DISTINCT FROM 'manual'
        AND i.settings #>> '{failover,mode}' IS DISTINCT FROM 'manual'))
ORDER BY s.company_id, s.instance_id LIMIT $2;

-- name: standings
-- The connections of an instance with how long each has stood as it does, the best rank first.
SELECT c.id, c.kind, c.rank, c.status, c.status_reason, c.status_at, c.turned_at, c.active, c.activated_by,
       c.activated_at, s.healthy, s.unhealthy_since
FROM connections c JOIN servers s ON s.id = c.server_id
WHERE c.company_id = $1 AND c.instance_id = $2 ORDER BY c.rank;

-- name: load_instance
-- What sending and receiving need of instances: settings, connections in rank order, their servers.
SELECT i.company_id, i.id, i.name, i.status, i.paused, i.settings,
       c.id AS connection_id, c.kind, c.status AS connection_status, c.rank, c.active, c.credentials, c.account, c.hook_key,
       c.server_id, s.base_url, s.credentials AS server_credentials
FROM instances i
LEFT JOIN connections c ON c.company_id = i.company_id AND c.instance_id = i.id
LEFT JOIN servers s ON s.id = c.server_id
WHERE i.company_id = $1 AND i.id = $2
ORDER BY c.rank;

-- name: load_hook
-- The connection that a webhook address belongs to.
SELECT c.company_id, c.instance_id, c.id AS connection_id, c.kind, c.credentials, c.account, c.hook_key,
       c.server_id, s.base_url, s.credentials AS server_credentials
FROM connections c JOIN servers s ON s.id = c.server_id
WHERE c.hook_key = $1 AND c.kind = $2;

-- name: due_for_check
-- Connections not asked since a time, the longest ago first, with their servers; except those with a reason to be
-- left alone, and those of some servers. The spread keeps those that were made together from being asked together;
-- without it the bound is found by the index.
SELECT c.company_id, c.instance_id, c.id AS connection_id, c.kind, c.status, c.credentials, c.account, c.hook_key,
       c.server_id, s.base_url, s.credentials AS server_credentials
FROM connections c JOIN servers s ON s.id = c.server_id
WHERE c.status IN ('connecting', 'qr', 'connected', 'degraded', 'disconnected') AND c.kind = ANY($1::text[])
    AND c.status_reason IS DISTINCT FROM $2 AND s.healthy AND c.server_id <> ALL($6::uuid[])
    AND coalesce(c.checked_at, c.created_at) <= $3::timestamptz + $4::interval
    AND coalesce(c.checked_at, c.created_at) <= $3::timestamptz + random() * $4::interval
ORDER BY coalesce(c.checked_at, c.created_at) LIMIT $5
FOR NO KEY UPDATE OF c SKIP LOCKED;

-- name: claim_checks
-- Take connections for checking: whoever claims next sees them as just checked.
UPDATE connections c SET checked_at = $3
FROM unnest($1::uuid[], $2::uuid[]) AS due (company_id, id)
WHERE c.company_id = due.company_id AND c.id = due.id;

-- name: count_by_status
-- How many connections stand how.
SELECT kind, status, count(*) AS connections FROM connections GROUP BY kind, status;
