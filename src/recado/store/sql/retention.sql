-- name: ensure_partitions
-- Make the partitions of this month and the next ones; how many were missing.
SELECT ensure_partitions()

-- name: try_lock
-- Whether this session is now the only one that cleans.
SELECT pg_try_advisory_lock(hashtext('recado.janitor'))

-- name: unlock
-- Let another session clean.
SELECT pg_advisory_unlock(hashtext('recado.janitor'))

-- name: be_owner
-- Only the owner may drop a partition: the user who logged in, not the role that its pool works under.
SELECT set_config('role', 'none', true), set_config('lock_timeout', '2s', true)

-- name: list_expired_partitions
-- Statements that drop the monthly partitions of a table whose whole month lies before that of a time.
SELECT format('DROP TABLE %I', c.relname) AS statement, c.relname AS name
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass AND c.relname ~ ('^' || $1 || '_[0-9]{6}$')
    AND right(c.relname, 6) < to_char($2::timestamptz AT TIME ZONE 'UTC', 'YYYYMM')
ORDER BY c.relname

-- name: delete_messages
-- Messages that nothing waits for any more.
DELETE FROM messages WHERE (company_id, id) IN (
    SELECT m.company_id, m.id FROM messages m
    WHERE m.id < $1 AND NOT EXISTS (
        SELECT FROM outbox o WHERE o.company_id = m.company_id AND o.message_id = m.id) LIMIT $2)

-- name: delete_attempts
-- Attempts of old messages.
DELETE FROM attempts WHERE (company_id, id) IN (SELECT company_id, id FROM attempts WHERE id < $1 LIMIT $2)

-- name: delete_events
-- Old events.
DELETE FROM events WHERE (company_id, id) IN (SELECT company_id, id FROM events WHERE id < $1 LIMIT $2)

-- name: delete_raw_webhooks
-- Provider webhooks that were processed and are old.
DELETE FROM raw_webhooks WHERE (company_id, id) IN (
    SELECT company_id, id FROM raw_webhooks WHERE id < $1 AND processed_at IS NOT NULL LIMIT $2)

-- name: delete_idempotency
-- Keys whose repeats need not be recognised any more.
DELETE FROM idempotency WHERE (company_id, key) IN (
    SELECT company_id, key FROM idempotency WHERE created_at < $1 LIMIT $2)

-- name: delete_provider_ids
-- Provider ids whose repeats, receipts and replies need not be recognised any more.
DELETE FROM provider_ids WHERE (company_id, instance_id, kind, provider_id) IN (
    SELECT company_id, instance_id, kind, provider_id FROM provider_ids WHERE created_at < $1 LIMIT $2)

-- name: delete_receipts
-- Receipts of old messages.
DELETE FROM receipts WHERE (company_id, instance_id, provider_id, state, recipient) IN (
    SELECT company_id, instance_id, provider_id, state, recipient FROM receipts WHERE created_at < $1 LIMIT $2)

-- name: delete_canonical_phones
-- Numbers that were not on WhatsApp when a provider was asked: the next message to one asks again.
DELETE FROM canonical_phones WHERE (company_id, phone) IN (
    SELECT company_id, phone FROM canonical_phones WHERE canonical IS NULL AND checked_at < $1 LIMIT $2)

-- name: delete_dead_letters
-- Dead letters of old messages.
DELETE FROM dead_letters WHERE (company_id, message_id) IN (
    SELECT company_id, message_id FROM dead_letters WHERE died_at < $1 LIMIT $2)

-- name: delete_deliveries
-- Deliveries of old events, those included that still wait: their events are gone.
DELETE FROM deliveries WHERE (company_id, id) IN (
    SELECT company_id, id FROM deliveries WHERE created_at < $1 LIMIT $2)

-- name: lock_idle_lanes
-- Lanes of recipients that have been idle for a while, held so that nothing is added to them.
SELECT company_id, instance_id, key FROM lanes
WHERE key <> '' AND next_at IS NULL AND owner IS NULL AND message_id IS NULL AND NOT woken
    AND not_before < $1 AND (claimed_at IS NULL OR claimed_at < $1)
ORDER BY company_id, instance_id, key LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: delete_lanes
-- Remove held lanes that have no work, as a statement later than their lock sees it.
DELETE FROM lanes l USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (company_id, instance_id, key)
WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key
    AND NOT EXISTS (SELECT FROM outbox o WHERE o.instance_id = l.instance_id AND o.lane_key = l.key)
RETURNING l.key

-- name: lock_idle_delivery_lanes
-- Lanes of endpoints that are idle, held so that nothing is added to them.
SELECT company_id, webhook_id, key FROM delivery_lanes
WHERE next_at IS NULL AND owner IS NULL AND NOT woken
ORDER BY company_id, webhook_id, key LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: delete_delivery_lanes
-- Remove held lanes that have nothing to deliver, as a statement later than their lock sees it.
DELETE FROM delivery_lanes l USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (company_id, webhook_id, key)
WHERE l.company_id = k.company_id AND l.webhook_id = k.webhook_id AND l.key = k.key
    AND NOT EXISTS (
        SELECT FROM deliveries d WHERE d.webhook_id = l.webhook_id AND d.lane_key = l.key AND d.status = 'pending')
RETURNING l.key

-- name: measure
-- What waits, and since when the oldest of it does.
SELECT o.queued, o.queued_since, (SELECT count(*) FROM dead_letters) AS dead_letters,
       d.deliveries, d.deliveries_since
FROM (
    SELECT count(*) AS queued, min(due_at) FILTER (WHERE due_at <= now()) AS queued_since FROM outbox
) o, (
    SELECT count(*) AS deliveries, min(p.created_at) AS deliveries_since
    FROM deliveries p JOIN webhooks w ON w.company_id = p.company_id AND w.id = p.webhook_id AND w.status = 'active'
    WHERE p.status = 'pending'
) d
