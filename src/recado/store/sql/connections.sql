-- name: insert_connection
-- Place an instance on a server.
INSERT INTO connections (company_id, id, instance_id, server_id, kind, rank, status, credentials, account, hook_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING company_id, id, instance_id, server_id, kind, rank, status, status_reason, status_at, credentials, account,
          hook_key, pairing, checked_at;

-- name: list_of_instances
-- The connections of several instances, the best rank first.
SELECT company_id, id, instance_id, server_id, kind, rank, status, status_reason, status_at, credentials, account,
       hook_key, pairing, checked_at
FROM connections WHERE company_id = $1 AND instance_id = ANY($2::uuid[]) ORDER BY instance_id, rank;

-- name: lock_connection
-- A connection and its instance, held against other changes of status. Weak enough for messages to be accepted.
SELECT c.id, c.instance_id, c.kind, c.rank, c.status, c.status_reason, c.pairing, c.checked_at,
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
-- How a connection stands; the time is that of the change of status.
UPDATE connections
SET status = $3, status_reason = $4, pairing = $5, checked_at = $6,
    status_at = CASE WHEN status = $3 THEN status_at ELSE $6 END
WHERE company_id = $1 AND id = $2;

-- name: best_status
-- The status of the connection that an instance uses: the best rank among those that send, else the best rank.
SELECT status, status_reason FROM connections
WHERE company_id = $1 AND instance_id = $2
ORDER BY (status = ANY($3::text[])) DESC, rank LIMIT 1;

-- name: set_checked
-- Remember that a connection was asked and nothing had changed.
UPDATE connections SET checked_at = $3 WHERE company_id = $1 AND id = $2;

-- name: set_credentials
-- New credentials of a connection.
UPDATE connections SET credentials = $3, account = $4 WHERE company_id = $1 AND id = $2;

-- name: load_instance
-- What sending and receiving need of instances: settings, connections in rank order, their servers.
SELECT i.company_id, i.id, i.name, i.status, i.paused, i.settings,
       c.id AS connection_id, c.kind, c.status AS connection_status, c.rank, c.credentials, c.account, c.hook_key,
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
-- left alone. The spread keeps those that were made together from being asked together.
SELECT c.company_id, c.instance_id, c.id AS connection_id, c.kind, c.status, c.credentials, c.account, c.hook_key,
       c.server_id, s.base_url, s.credentials AS server_credentials
FROM connections c JOIN servers s ON s.id = c.server_id
WHERE c.kind = ANY($1::text[]) AND c.status = ANY($2::text[]) AND c.status_reason IS DISTINCT FROM $3 AND s.healthy
    AND coalesce(c.checked_at, c.created_at) <= $4::timestamptz + random() * $5::interval
ORDER BY c.checked_at NULLS FIRST LIMIT $6
FOR NO KEY UPDATE OF c SKIP LOCKED;

-- name: claim_checks
-- Take connections for checking: whoever claims next sees them as just checked.
UPDATE connections c SET checked_at = $3
FROM unnest($1::uuid[], $2::uuid[]) AS due (company_id, id)
WHERE c.company_id = due.company_id AND c.id = due.id;

-- name: count_by_status
-- How many connections stand how.
SELECT kind, status, count(*) AS connections FROM connections GROUP BY kind, status;
