-- name: finish
-- What became of raw webhooks, and out of the inbox with them.
WITH done AS (
    DELETE FROM inbox WHERE sequence = ANY($1::bigint[])
)
UPDATE raw_webhooks r SET processed_at = now(), events = w.events, error = w.error
FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[]) AS w (company_id, id, events, error)
WHERE r.company_id = w.company_id AND r.id = w.id

-- name: list_raw_webhooks
-- A page of a company's raw webhooks, the newest first, without their bodies.
SELECT r.id, r.kind, r.server_id, r.connection_id, r.received_at, r.processed_at, r.events, r.error,
       octet_length(r.body) AS size
FROM raw_webhooks r
WHERE r.company_id = $1
  AND ($2::uuid IS NULL OR r.id < $2)
  AND ($3::boolean IS NULL OR (r.error IS NOT NULL) = $3)
  AND ($4::text IS NULL OR r.kind = $4)
  AND ($5::uuid IS NULL OR r.id >= $5)
  AND ($6::uuid IS NULL OR EXISTS (
        SELECT FROM connections c
        WHERE c.company_id = r.company_id AND c.id = r.connection_id AND c.instance_id = $6))
ORDER BY r.id DESC
LIMIT $7

-- name: list_errors
-- As list_raw_webhooks, only those with an error: its own statement, so that the small index serves it.
SELECT r.id, r.kind, r.server_id, r.connection_id, r.received_at, r.processed_at, r.events, r.error,
       octet_length(r.body) AS size
FROM raw_webhooks r
WHERE r.company_id = $1 AND r.error IS NOT NULL
  AND ($2::uuid IS NULL OR r.id < $2)
  AND ($3::text IS NULL OR r.kind = $3)
  AND ($4::uuid IS NULL OR r.id >= $4)
  AND ($5::uuid IS NULL OR EXISTS (
        SELECT FROM connections c
        WHERE c.company_id = r.company_id AND c.id = r.connection_id AND c.instance_id = $5))
ORDER BY r.id DESC
LIMIT $6

-- name: get_raw_webhook
-- One raw webhook as it came.
SELECT r.id, r.kind, r.server_id, r.connection_id, r.received_at, r.processed_at, r.events, r.error,
       octet_length(r.body) AS size, r.headers, r.body
FROM raw_webhooks r
WHERE r.company_id = $1 AND r.id = $2
  AND ($3::uuid IS NULL OR EXISTS (
        SELECT FROM connections c
        WHERE c.company_id = r.company_id AND c.id = r.connection_id AND c.instance_id = $3))

-- name: replay
-- Process a raw webhook again: back into the inbox unless it waits there, its error cleared.
WITH again AS (
    UPDATE raw_webhooks SET processed_at = NULL, events = NULL, error = NULL
    WHERE company_id = $1 AND id = $2
    RETURNING company_id, id, coalesce(connection_id, server_id) AS source
), queued AS (
    INSERT INTO inbox (source, company_id, raw_webhook_id)
    SELECT source, company_id, id FROM again
    WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.company_id = again.company_id AND i.raw_webhook_id = again.id)
)
SELECT id, pg_notify('recado', 'inbox') IS NULL AS told FROM again
