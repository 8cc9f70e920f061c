-- Webhooks in Z-API's shape: endpoints of the format zapi, which take some of its callbacks from one instance.

-- callbacks: what an endpoint of the format zapi takes. callback: what a delivery to one is; null at every other. A test
-- has none either.
ALTER TABLE webhooks ADD COLUMN callbacks text[] NOT NULL DEFAULT '{}',
    ADD CHECK (format <> 'zapi' OR instance_id IS NOT NULL);
ALTER TABLE deliveries ADD COLUMN callback text;
-- As in 001, and: the callbacks of one event in their order.
DROP INDEX deliveries_head;
CREATE INDEX deliveries_head ON deliveries (webhook_id, lane_key, sequence, callback) WHERE status = 'pending';
CREATE UNIQUE INDEX webhooks_zapi ON webhooks (company_id, instance_id, url) WHERE format = 'zapi' AND events <> '{}';

-- The callbacks that an event can become. services/zapi/callbacks.py says the same the other way round.
CREATE FUNCTION zapi_callbacks(type text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN type = 'message.sent' THEN ARRAY['delivery', 'message_status', 'received']
        WHEN type IN ('message.failed', 'message.unproven') THEN ARRAY['delivery']
        WHEN type IN ('message.received', 'message.edited', 'message.deleted', 'message.waiting', 'reaction.received',
                      'poll.voted', 'event.answered', 'media.ready', 'media.failed', 'call.received', 'group.updated',
                      'contact.updated', 'unknown') THEN ARRAY['received']
        WHEN type = 'chat.updated' THEN ARRAY['received', 'message_status']
        WHEN type IN ('message.server_ack', 'message.delivered', 'message.read', 'message.played')
            THEN ARRAY['message_status']
        WHEN type = 'presence.updated' THEN ARRAY['chat_presence']
        WHEN type = 'instance.connected' THEN ARRAY['connected']
        WHEN type = 'instance.disconnected' THEN ARRAY['disconnected']
        WHEN type = 'account.updated' THEN ARRAY['proxy']
        ELSE '{}'
    END
$$;

-- As in 001, and: a claim tells the format, the callback and the message.
DROP FUNCTION claim_deliveries(timestamptz, integer, uuid, interval, uuid, uuid, integer, uuid[], integer[], integer[]);
CREATE FUNCTION claim_deliveries(
    at timestamptz, most integer, claimer uuid, lease interval, after_company uuid, after_webhook uuid, each integer,
    roomy uuid[], healthy_rooms integer[], failing_rooms integer[]
) RETURNS TABLE (
    company_id uuid, webhook_id uuid, key text, fence bigint, delivery_id uuid, attempts smallint, url text,
    secret bytea, previous_secret bytea, previous_until timestamptz, failing_since timestamptz, number integer,
    first_at timestamptz, event_id uuid, type text, event_at timestamptz, instance_id uuid, conversation_id uuid,
    sequence bigint, data text, format text, callback text, message_id uuid
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    held delivery_lanes[];
BEGIN
    WITH RECURSIVE endpoints AS (
        (SELECT company_id, webhook_id FROM delivery_lanes
         WHERE next_at IS NOT NULL AND NOT parked AND (company_id, webhook_id) > (after_company, after_webhook)
         ORDER BY company_id, webhook_id LIMIT 1)
        UNION ALL
        SELECT n.company_id, n.webhook_id FROM endpoints e, LATERAL (
            SELECT company_id, webhook_id FROM delivery_lanes
            WHERE next_at IS NOT NULL AND NOT parked AND (company_id, webhook_id) > (e.company_id, e.webhook_id)
            ORDER BY company_id, webhook_id LIMIT 1) n
    ), due AS MATERIALIZED (
        SELECT l.* FROM endpoints e
        CROSS JOIN LATERAL (
            SELECT * FROM webhooks w
            WHERE w.company_id = e.company_id AND w.id = e.webhook_id AND w.status = 'active' AND w.events <> '{}' LIMIT 1
        ) w
        CROSS JOIN LATERAL (
            SELECT * FROM delivery_lanes d
            WHERE d.company_id = e.company_id AND d.webhook_id = e.webhook_id AND NOT d.parked
                AND d.next_at <= CASE WHEN w.failing_since IS NULL THEN at ELSE 'infinity' END
                AND (d.next_at <= at OR d.owner IS NULL)
            ORDER BY d.next_at
            LIMIT greatest(0, CASE WHEN w.failing_since IS NULL
                THEN coalesce((healthy_rooms)[array_position(roomy, w.id)], each)
                ELSE coalesce((failing_rooms)[array_position(roomy, w.id)], 1) END)
            FOR UPDATE SKIP LOCKED
        ) l
        LIMIT most
    )
    SELECT array_agg(d::delivery_lanes) INTO held FROM due d;
    IF held IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH heads AS MATERIALIZED (
        SELECT d.company_id, d.webhook_id, d.key, d.woken, w.url, w.secret, w.previous_secret, w.previous_until,
               w.failing_since, w.format, h.id AS delivery_id, h.event_id, h.attempts, h.callback
        FROM unnest(held) d
        JOIN webhooks w ON w.company_id = d.company_id AND w.id = d.webhook_id
        LEFT JOIN LATERAL (
            SELECT * FROM deliveries p
            WHERE p.webhook_id = d.webhook_id AND p.lane_key = d.key AND p.status = 'pending'
            ORDER BY p.sequence, p.callback LIMIT 1
        ) h ON true
    ), taken AS (
        UPDATE delivery_lanes l SET
            fence = l.fence + 1,
            woken = false,
            owner = CASE WHEN h.delivery_id IS NOT NULL THEN claimer END,
            next_at = CASE WHEN h.delivery_id IS NOT NULL THEN at + lease WHEN h.woken THEN at END
        FROM heads h
        WHERE l.company_id = h.company_id AND l.webhook_id = h.webhook_id AND l.key = h.key
        RETURNING l.fence, h.*
    )
    SELECT t.company_id, t.webhook_id, t.key, t.fence, t.delivery_id, t.attempts, t.url, t.secret, t.previous_secret,
           t.previous_until, t.failing_since, coalesce(a.number, 0) + 1 AS number, f.at AS first_at,
           t.event_id, e.type, e.at, e.instance_id, e.conversation_id, e.sequence, e.data::text AS data,
           t.format, t.callback, e.message_id
    FROM taken t
    LEFT JOIN LATERAL (
        SELECT a.number FROM delivery_attempts a WHERE a.company_id = t.company_id AND a.delivery_id = t.delivery_id
        ORDER BY a.number DESC LIMIT 1
    ) a ON true
    LEFT JOIN LATERAL (
        -- The first attempt since the delivery was made or last put back.
        SELECT b.at FROM delivery_attempts b WHERE t.attempts > 0 AND b.company_id = t.company_id
            AND b.delivery_id = t.delivery_id AND b.number = a.number - t.attempts + 1
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT * FROM events v WHERE v.company_id = t.company_id AND v.id = t.event_id LIMIT 1
    ) e ON true
    WHERE t.delivery_id IS NOT NULL;
END
$$;

-- As in 001, and: an endpoint of the format zapi gets one delivery for each callback of its own that the event becomes,
-- all of them in the instance's one lane.
CREATE OR REPLACE FUNCTION fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM added a JOIN webhooks w ON w.company_id = a.company_id) THEN
        RETURN NULL;
    END IF;
    -- A test goes to the endpoint under test alone; whoever writes it queues it.
    WITH wanted AS MATERIALIZED (
        SELECT a.company_id, w.id AS webhook_id, a.id AS event_id, a.sequence, w.status = 'paused' AS parked, c.callback,
               CASE WHEN w.format = 'zapi' THEN a.instance_id::text
                    ELSE coalesce(a.conversation_id::text, a.instance_id::text, '') END AS lane_key
        FROM added a
        JOIN webhooks w ON w.company_id = a.company_id
            AND (w.instance_id IS NULL OR w.instance_id = a.instance_id)
            AND w.events && ARRAY[a.type, '*']
        CROSS JOIN LATERAL (
            SELECT NULL::text AS callback WHERE w.format <> 'zapi'
            UNION ALL
            SELECT b.callback FROM unnest(zapi_callbacks(a.type)) AS b (callback)
            WHERE w.format = 'zapi' AND b.callback = ANY(w.callbacks)
        ) c
        WHERE a.type <> 'webhook.test'
    ), lanes AS (
        INSERT INTO delivery_lanes AS l (company_id, webhook_id, key, next_at, woken, parked)
        SELECT company_id, webhook_id, lane_key, now(), true, bool_or(parked)
        FROM wanted GROUP BY company_id, webhook_id, lane_key
        ORDER BY company_id, webhook_id, lane_key COLLATE "C"
        ON CONFLICT (company_id, webhook_id, key) DO UPDATE
        SET woken = true, next_at = CASE WHEN l.owner IS NULL THEN coalesce(l.next_at, now()) ELSE l.next_at END
    )
    INSERT INTO deliveries (company_id, id, webhook_id, event_id, lane_key, sequence, callback)
    SELECT company_id, new_id(), webhook_id, event_id, lane_key, sequence, callback FROM wanted;
    PERFORM pg_notify('recado', 'deliveries');
    RETURN NULL;
END
$$;
