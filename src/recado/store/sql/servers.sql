-- name: insert_server
-- Register a server.
INSERT INTO servers (id, company_id, name, kind, base_url, credentials, max_instances, region, hook_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
          unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at;

-- name: get_server
-- One server.
SELECT id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
       unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at
FROM servers WHERE id = $1;

-- name: list_servers
-- A page of servers, the oldest first, filtered by kind and company.
SELECT id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
       unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at
FROM servers
WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text IS NULL OR kind = $2) AND ($3::uuid IS NULL OR company_id = $3)
ORDER BY id LIMIT $4;

-- name: update_server
-- Change what a person may change of a server.
UPDATE servers
SET name = $2, base_url = $3, credentials = $4, max_instances = $5, region = $6, status = $7
WHERE id = $1
RETURNING id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
          unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at;

-- name: lock_server
-- One server, held against other changes.
SELECT id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
       unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at
FROM servers WHERE id = $1 FOR NO KEY UPDATE;

-- name: delete_server
-- Remove a server that nothing is placed on.
DELETE FROM servers WHERE id = $1;

-- name: set_health
-- What a check found. unhealthy_since is the time of the first of the failed checks in a row.
UPDATE servers
SET healthy = $2, health_error = $3, latency_ms = $4, version = coalesce($5, version), checked_at = $6,
    calls = faded(calls, counted_at, $6) + 1, counted_at = $6,
    failures = faded(failures, counted_at, $6) + CASE WHEN $2 THEN 0 ELSE 1 END,
    unhealthy_since = CASE WHEN $2 THEN NULL ELSE coalesce(unhealthy_since, $6) END
WHERE id = $1
RETURNING id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
          unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at;

-- name: lock_placement
-- One placement of a kind at a time, so that "the fewest instances" holds among concurrent creations.
SELECT pg_advisory_xact_lock(hashtext('recado.placement.' || $1));

-- name: place_by_kind
-- Take a place on the healthy active server of the kind with room and the fewest instances. Where an unhealthy one
-- will do, it is taken when no healthy one has room.
UPDATE servers SET instances = instances + 1
WHERE id = (
    SELECT id FROM servers
    WHERE kind = $1 AND status = 'active' AND (healthy OR $3) AND instances < max_instances
        AND (company_id IS NULL OR company_id = $2)
    ORDER BY healthy DESC, instances, id LIMIT 1
    FOR NO KEY UPDATE
)
RETURNING id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
          unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at;

-- name: place_on
-- Take a place on one server, if it is active, has room and may be used by the company.
UPDATE servers SET instances = instances + 1
WHERE id = $1 AND status = 'active' AND instances < max_instances AND (company_id IS NULL OR company_id = $2)
RETURNING id, company_id, name, kind, base_url, credentials, max_instances, instances, region, status, healthy,
          unhealthy_since, health_error, latency_ms, error_rate, version, checked_at, hook_key, created_at;

-- name: free_places
-- Give back the places of the connections that an instance has.
UPDATE servers s SET instances = greatest(s.instances - c.taken, 0)
FROM (
    SELECT server_id, count(*) AS taken FROM connections
    WHERE company_id = $1 AND ($2::uuid IS NULL OR instance_id = $2) GROUP BY server_id
) c
WHERE s.id = c.server_id;

-- name: lock_defaults
-- Let one process at a time make the servers that the platform brings along.
SELECT pg_advisory_xact_lock(hashtext('recado.default_servers'));

-- name: platform_kinds
-- The kinds that have a server for every company.
SELECT DISTINCT kind FROM servers WHERE company_id IS NULL;

-- name: load_hook
-- The server that a webhook address belongs to.
SELECT id, company_id, kind, base_url, credentials, hook_key FROM servers WHERE hook_key = $1 AND kind = $2;

-- name: due_for_check
-- Servers not checked since a time, the longest ago first. The spread keeps them from being checked together.
SELECT id FROM servers
WHERE checked_at IS NULL OR checked_at <= $1::timestamptz + random() * $2::interval
ORDER BY checked_at NULLS FIRST LIMIT $3
FOR NO KEY UPDATE SKIP LOCKED;

-- name: claim_checks
-- Take servers for checking: whoever claims next sees them as just checked.
UPDATE servers SET checked_at = $2 WHERE id = ANY($1::uuid[]);

-- name: check_soon
-- Let the next look for due checks find a server that was thought to be well.
UPDATE servers SET checked_at = NULL WHERE id = $1 AND healthy;

-- name: count_calls
-- Add calls of several servers to what is counted of them. In the order of their ids, as everybody who holds several.
WITH held AS MATERIALIZED (
    SELECT s.id, w.calls, w.failures FROM unnest($1::uuid[], $2::float8[], $3::float8[]) AS w (id, calls, failures)
    JOIN servers s ON s.id = w.id ORDER BY s.id FOR NO KEY UPDATE OF s
)
UPDATE servers s SET calls = faded(s.calls, s.counted_at, $4) + h.calls,
    failures = faded(s.failures, s.counted_at, $4) + h.failures, counted_at = $4
FROM held h WHERE s.id = h.id;

-- name: measure
-- Of each kind: how many servers answer and how many do not, the worst latency and error rate, and since when the one
-- that has been away longest is away.
SELECT kind, count(*) FILTER (WHERE healthy) AS healthy, count(*) FILTER (WHERE NOT healthy) AS unhealthy,
       max(latency_ms) AS latency_ms, max(error_rate) AS error_rate, min(unhealthy_since) AS unhealthy_since
FROM servers GROUP BY kind;
