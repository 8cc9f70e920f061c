-- name: insert_webhook
-- A new endpoint.
INSERT INTO webhooks (company_id, id, instance_id, url, events, format, secret, callbacks)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING *

-- name: get_webhook
-- One endpoint; with an instance given, only that instance's.
SELECT * FROM webhooks
WHERE company_id = $1 AND id = $2 AND ($3::uuid IS NULL OR instance_id = $3) AND events <> '{}'

-- name: lock_webhook
-- One endpoint, held until the transaction ends.
SELECT * FROM webhooks
WHERE company_id = $1 AND id = $2 AND ($3::uuid IS NULL OR instance_id = $3) AND events <> '{}'
FOR NO KEY UPDATE

-- name: list_webhooks
-- A page of endpoints, the newest first.
SELECT * FROM webhooks
WHERE company_id = $1 AND ($2::uuid IS NULL OR instance_id = $2) AND ($3::uuid IS NULL OR id < $3)
    AND events <> '{}'
ORDER BY id DESC LIMIT $4

-- name: update_webhook
-- Change what an endpoint is. It counts as healthy until it fails again.
UPDATE webhooks SET url = $3, events = $4, failing_since = NULL
WHERE company_id = $1 AND id = $2
RETURNING *

-- name: list_zapi
-- An instance's endpoints of the format zapi, held until the transaction ends.
SELECT * FROM webhooks
WHERE company_id = $1 AND instance_id = $2 AND format = 'zapi' AND events <> '{}'
ORDER BY id FOR NO KEY UPDATE

-- name: update_zapi
-- Change an endpoint of the format zapi. One with a new address counts as healthy until it fails.
UPDATE webhooks SET url = $3, events = $4, callbacks = $5, failing_since = CASE WHEN url = $3 THEN failing_since END
WHERE company_id = $1 AND id = $2
RETURNING *

-- name: retire_webhook
-- Forget an endpoint. An event that is being written may refer to it still, so the row goes later: it has no events
-- from now on, is in no list, and failing_since says since when.
UPDATE webhooks SET events = '{}', status = 'paused', paused_reason = 'deleted', failing_since = now()
WHERE company_id = $1 AND id = $2

-- name: delete_retired
-- Endpoints that were forgotten some time ago, with their lanes and deliveries.
DELETE FROM webhooks WHERE events = '{}' AND failing_since < $1
RETURNING id

-- name: rotate_secret
-- A new secret; the one it replaces signs too until a time.
UPDATE webhooks SET secret = $3, previous_secret = CASE WHEN $4 > now() THEN secret END,
    previous_until = CASE WHEN $4 > now() THEN $4 END
WHERE company_id = $1 AND id = $2
RETURNING *

-- name: pause
-- Stop an endpoint. Nothing is returned when it was paused already.
UPDATE webhooks SET status = 'paused', paused_reason = $3
WHERE company_id = $1 AND id = $2 AND status = 'active' AND events <> '{}'
RETURNING *

-- name: resume
-- Start an endpoint again; it counts as healthy until it fails.
UPDATE webhooks SET status = 'active', paused_reason = NULL, failing_since = NULL
WHERE company_id = $1 AND id = $2 AND status = 'paused'
RETURNING *

-- name: mark_failing
-- Remember since when an endpoint fails. Nothing is returned when it was failing already.
UPDATE webhooks SET failing_since = $3
WHERE company_id = $1 AND id = $2 AND failing_since IS NULL AND events <> '{}'
RETURNING id

-- name: mark_recovered
-- An endpoint took a delivery again. Nothing is returned when it was not failing.
UPDATE webhooks SET failing_since = NULL
WHERE company_id = $1 AND id = $2 AND failing_since IS NOT NULL AND events <> '{}'
RETURNING id

-- name: notify
-- Tell every process at commit.
SELECT pg_notify('recado', $1)
