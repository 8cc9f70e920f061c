-- name: store
-- Keep provider webhooks as they came and queue them, with one NOTIFY for all.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::jsonb[], $8::bytea[],
        $9::timestamptz[]
    ) AS g (company_id, id, kind, server_id, connection_id, source, headers, body, received_at)
), kept AS (
    INSERT INTO raw_webhooks (company_id, id, kind, server_id, connection_id, headers, body, received_at)
    SELECT company_id, id, kind, server_id, connection_id, headers, body, received_at FROM given
), queued AS (
    INSERT INTO inbox (source, company_id, raw_webhook_id) SELECT source, company_id, id FROM given
)
SELECT pg_notify('recado', 'inbox')

-- name: list_sources
-- Who has webhooks waiting, in a round from a given one on. A loose index scan: one that has many hides nobody.
WITH RECURSIVE waiting AS (
    (SELECT source FROM inbox WHERE source > $2 ORDER BY source LIMIT 1)
    UNION ALL
    SELECT n.source FROM waiting w, LATERAL (
        SELECT source FROM inbox WHERE source > w.source ORDER BY source LIMIT 1) n
)
SELECT source FROM waiting LIMIT $1

-- name: lock_sources
-- Those of these sources that no other process is working on; they are ours until the transaction ends.
SELECT source FROM unnest($1::uuid[]) AS s (source) WHERE pg_try_advisory_xact_lock(7263237, hashtext(source::text))

-- name: fetch
-- The oldest webhooks of these sources in their order, as many as fit into a bounded number of bytes, at least one.
SELECT sequence, source, company_id, id, kind, server_id, connection_id, body, received_at
FROM (
    SELECT i.sequence, i.source, i.company_id, i.raw_webhook_id AS id, r.kind, r.server_id, r.connection_id, r.body,
           r.received_at,
           sum(octet_length(r.body)) OVER (ORDER BY i.sequence) - octet_length(r.body) AS bytes_before
    FROM unnest($1::uuid[]) AS s (source), LATERAL (
        -- Each source has an equal part of the batch.
        SELECT * FROM inbox WHERE source = s.source ORDER BY sequence LIMIT greatest(1, $2 / cardinality($1::uuid[]))
    ) i
    JOIN raw_webhooks r ON r.company_id = i.company_id AND r.id = i.raw_webhook_id
) sized
WHERE bytes_before < $3
ORDER BY sequence

-- name: drop_orphans
-- Take out of the inbox what retention removed from the log before it was processed.
DELETE FROM inbox i
WHERE i.source = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM raw_webhooks r WHERE r.company_id = i.company_id AND r.id = i.raw_webhook_id)

-- name: route
-- The connections that webhooks came by, and those that have one of the accounts named in them, the oldest first; with what
-- their instance is set to on the Z-API surface, where it is open there.
SELECT r.*, z.settings
FROM (
    SELECT company_id, id, instance_id, server_id, kind, account,
           checked_at IS NOT NULL AND status = ANY($5::text[]) AS proven
    FROM connections
    WHERE (company_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
    UNION
    SELECT c.company_id, c.id, c.instance_id, c.server_id, c.kind, c.account,
           c.checked_at IS NOT NULL AND c.status = ANY($5::text[]) AS proven
    FROM unnest($3::text[], $4::text[]) AS w (kind, account)
    JOIN connections c ON c.kind = w.kind AND c.account = w.account
) r
LEFT JOIN zapi_instances z ON z.company_id = r.company_id AND z.instance_id = r.instance_id
ORDER BY r.id

-- name: measure
-- How many webhooks wait, and since when the oldest does.
SELECT (SELECT count(*) FROM inbox) AS backlog,
       (SELECT r.received_at FROM inbox i
        JOIN raw_webhooks r ON r.company_id = i.company_id AND r.id = i.raw_webhook_id
        ORDER BY i.sequence LIMIT 1) AS oldest_at
