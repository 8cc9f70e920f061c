-- name: park
-- Stop looking at an instance's lanes. Locked in the order that every writer of lanes uses, so none waits in a circle.
WITH locked AS MATERIALIZED (
    SELECT company_id, instance_id, key FROM lanes WHERE company_id = $1 AND instance_id = $2 ORDER BY key FOR UPDATE
)
UPDATE lanes l SET parked = true FROM locked k
WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key

-- name: release
-- Look at an instance's lanes again, now; pacing still holds.
WITH locked AS MATERIALIZED (
    SELECT company_id, instance_id, key FROM lanes WHERE company_id = $1 AND instance_id = $2 ORDER BY key FOR UPDATE
)
UPDATE lanes l SET parked = false, woken = true,
    next_at = CASE WHEN l.owner IS NULL THEN greatest(now(), l.not_before) ELSE l.next_at END
FROM locked k
WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key

-- name: wake
-- Tell the dispatchers of every process that lanes are due.
SELECT pg_notify('recado', 'lanes')

-- name: set_paused
-- Keep on the instance whether a person paused its queue: lanes made meanwhile are held back by it.
UPDATE instances SET paused = $3 WHERE company_id = $1 AND id = $2

-- name: hold
-- The provider limited the whole number: nothing of the instance leaves before then.
UPDATE instances SET hold_until = greatest(hold_until, $3) WHERE company_id = $1 AND id = $2

-- name: sweep
-- Lanes with work that nobody would ever look at. There should be none; each one found is a bug that lost a wake-up.
UPDATE lanes l SET next_at = now(), woken = true
WHERE l.next_at IS NULL AND l.owner IS NULL AND EXISTS (
    SELECT FROM outbox o WHERE o.instance_id = l.instance_id AND o.lane_key = l.key)
RETURNING l.company_id, l.instance_id, l.key
