-- name: park
-- Stop looking at an instance's lanes. Locked in the order that every writer of lanes uses, so none waits in a circle.
WITH locked AS MATERIALIZED (
    SELECT company_id, instance_id, key FROM lanes WHERE company_id = $1 AND instance_id = $2 ORDER BY key FOR UPDATE
)
UPDATE lanes l SET parked = true FROM locked k
WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key

-- name: release
-- Look at an instance's lanes again, now; pacing still holds. What is in flight is looked at again when it ends.
WITH locked AS MATERIALIZED (
    SELECT company_id, instance_id, key FROM lanes WHERE company_id = $1 AND instance_id = $2 ORDER BY key FOR UPDATE
)
UPDATE lanes l SET parked = false, woken = true, released = l.owner IS NOT NULL,
    next_at = CASE WHEN l.owner IS NULL THEN greatest(now(), l.not_before) ELSE l.next_at END
FROM locked k
WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key

-- name: wake
-- Tell the dispatchers of every process that lanes are due.
SELECT pg_notify('recado', 'lanes')

-- name: set_paused
-- Keep on the instance whether a person paused its queue: lanes made meanwhile are held back by it.
UPDATE instances SET paused = $3 WHERE company_id = $1 AND id = $2 RETURNING status

-- name: hold
-- The provider limited the whole number: nothing of the instance leaves before then.
UPDATE instances SET hold_until = greatest(hold_until, $3) WHERE company_id = $1 AND id = $2

-- name: record_connection
-- Remember, before the call, what a claimed lane sends through. No row: the claim is not the newest any more.
WITH held AS (
    SELECT company_id, instance_id, key, connection_id FROM lanes
    WHERE company_id = $1 AND instance_id = $2 AND key = $3 AND fence = $4
), written AS (
    UPDATE lanes l SET connection_id = $5::uuid FROM held h
    WHERE h.connection_id IS DISTINCT FROM $5::uuid
        AND l.company_id = h.company_id AND l.instance_id = h.instance_id AND l.key = h.key AND l.fence = $4
    RETURNING l.key
)
SELECT connection_id IS NOT DISTINCT FROM $5::uuid OR EXISTS (SELECT FROM written) FROM held

-- name: connection_of
-- What a lane last sent through; null where its instance had one connection at the time.
SELECT connection_id FROM lanes WHERE company_id = $1 AND instance_id = $2 AND key = $3

-- name: forget_connection
-- A connection is removed. Lanes that wait for proof keep its name: what it tried nobody else can settle. The oldest
-- connection is what the lanes without a name mean, so those that wait get it.
WITH locked AS MATERIALIZED (
    SELECT company_id, instance_id, key FROM lanes WHERE company_id = $1 AND instance_id = $2 ORDER BY key FOR UPDATE
)
UPDATE lanes l SET connection_id = CASE WHEN l.message_id IS NULL THEN NULL ELSE $3::uuid END FROM locked k
WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key
    AND (l.connection_id = $3 OR (l.connection_id IS NULL AND l.message_id IS NOT NULL AND $4))

-- name: sweep
-- Lanes with work that nobody would ever look at. There should be none; each one found is a bug that lost a wake-up.
UPDATE lanes l SET next_at = now(), woken = true
WHERE l.next_at IS NULL AND l.owner IS NULL AND EXISTS (
    SELECT FROM outbox o WHERE o.instance_id = l.instance_id AND o.lane_key = l.key)
RETURNING l.company_id, l.instance_id, l.key
