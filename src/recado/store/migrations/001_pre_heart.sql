-- The heart: companies, servers, instances, connections; messages and their outbox; webhooks in and out.
--
-- Tenant tables have the primary key (company_id, id) and composite foreign keys, so a row cannot point into
-- another company. messages, events, raw_webhooks and attempts are partitioned by month: their ids are UUIDv7,
-- so a month is a range of ids.

-- Roles. recado_api sees one company at a time (recado.company_id); recado_worker sees all. Neither owns a table.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['recado_api', 'recado_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- Roles belong to the server: another database of it has made them.
        END;
    END LOOP;
    EXECUTE format('GRANT recado_api, recado_worker TO %I', current_user);
END
$$;

CREATE FUNCTION current_company() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('recado.company_id', true), '')::uuid $$;

-- The platform -----------------------------------------------------------------------------------------

CREATE TABLE companies (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- company_id and instance_id are null for the levels above them. hash is SHA-256 of the whole token.
CREATE TABLE tokens (
    id uuid PRIMARY KEY,
    level text NOT NULL CHECK (level IN ('admin', 'company', 'instance')),
    company_id uuid REFERENCES companies ON DELETE CASCADE,
    instance_id uuid,
    name text NOT NULL DEFAULT '',
    hash bytea NOT NULL UNIQUE,
    hint text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CHECK ((level = 'admin') = (company_id IS NULL)),
    CHECK ((level = 'instance') = (instance_id IS NOT NULL))
);
CREATE INDEX tokens_company ON tokens (company_id, id);

-- company_id is null for a server that every company may use. credentials are encrypted (kit.crypto).
-- instances counts the connections placed here; the check holds capacity under concurrent creation.
CREATE TABLE servers (
    id uuid PRIMARY KEY,
    company_id uuid REFERENCES companies ON DELETE CASCADE,
    name text NOT NULL,
    kind text NOT NULL,
    base_url text NOT NULL,
    credentials bytea NOT NULL,
    max_instances integer NOT NULL CHECK (max_instances >= 0),
    instances integer NOT NULL DEFAULT 0 CHECK (instances >= 0),
    region text,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'draining')),
    healthy boolean NOT NULL DEFAULT true,
    unhealthy_since timestamptz,
    health_error text,
    latency_ms double precision,
    version text,
    checked_at timestamptz,
    hook_key text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX servers_kind ON servers (kind, instances) WHERE status = 'active';

CREATE TABLE instances (
    company_id uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'created',
    status_reason text,
    phone text,
    settings jsonb NOT NULL DEFAULT '{}',
    -- A person paused the queue. hold_until: the provider limited the whole number until then.
    paused boolean NOT NULL DEFAULT false,
    hold_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id)
);

ALTER TABLE tokens ADD FOREIGN KEY (company_id, instance_id) REFERENCES instances (company_id, id) ON DELETE CASCADE;

-- account is the provider's name of the number; a webhook that serves several numbers is routed by it.
CREATE TABLE connections (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    instance_id uuid NOT NULL,
    server_id uuid NOT NULL REFERENCES servers,
    kind text NOT NULL,
    rank integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'created',
    status_reason text,
    status_at timestamptz NOT NULL DEFAULT now(),
    credentials bytea NOT NULL,
    account text,
    hook_key text NOT NULL UNIQUE,
    -- The QR or pairing code being shown, while status is 'qr'.
    pairing jsonb,
    checked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    UNIQUE (company_id, instance_id, rank),
    FOREIGN KEY (company_id, instance_id) REFERENCES instances ON DELETE CASCADE
);
CREATE INDEX connections_account ON connections (kind, account);
CREATE INDEX connections_server ON connections (server_id);

-- People and conversations -------------------------------------------------------------------------------

CREATE TABLE contacts (
    company_id uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    id uuid NOT NULL,
    kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'group', 'channel')),
    name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id)
);

-- What a provider calls a contact. kind: phone, lid, bsuid, username, group.
CREATE TABLE identities (
    company_id uuid NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    contact_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, kind, value),
    FOREIGN KEY (company_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX identities_contact ON identities (company_id, contact_id);

CREATE TABLE conversations (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    instance_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    unread integer NOT NULL DEFAULT 0,
    last_message_at timestamptz,
    last_received_at timestamptz,
    -- The provider's id of the newest inbound message: what a read mark or "typing" refers to.
    last_received_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    UNIQUE (company_id, instance_id, contact_id),
    FOREIGN KEY (company_id, instance_id) REFERENCES instances ON DELETE CASCADE,
    FOREIGN KEY (company_id, contact_id) REFERENCES contacts
);
CREATE INDEX conversations_recent ON conversations (company_id, last_message_at DESC NULLS LAST, id DESC);

-- Messages: history -------------------------------------------------------------------------------------

-- address is whom the message goes to, or came from, as the provider names the chat.
CREATE TABLE messages (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    instance_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    direction text NOT NULL,
    status text NOT NULL,
    type text NOT NULL,
    priority smallint NOT NULL DEFAULT 1,
    address text NOT NULL,
    content jsonb NOT NULL,
    reply_to text,
    client_id text,
    provider_id text,
    metadata jsonb,
    error jsonb,
    -- True once it was sent again although an earlier attempt may have reached the recipient.
    resent boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The provider's own time of an inbound message.
    provider_at timestamptz,
    PRIMARY KEY (company_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX messages_conversation ON messages (company_id, conversation_id, id DESC);
CREATE INDEX messages_instance ON messages (company_id, instance_id, id DESC);
-- No index names status: it changes several times in a message's life, and each change would write every index again.

-- Every provider id seen, in either direction: what makes a repeated webhook a repeat, and what receipts,
-- replies and reactions are found by. kind is 'message' or the type of another event.
CREATE TABLE provider_ids (
    company_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    kind text NOT NULL,
    provider_id text NOT NULL,
    message_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, instance_id, kind, provider_id)
);
CREATE INDEX provider_ids_age ON provider_ids USING brin (created_at);

-- message_id is null while the message's own provider id is not known yet: the receipt came first.
CREATE TABLE receipts (
    company_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    provider_id text NOT NULL,
    state text NOT NULL,
    recipient text NOT NULL DEFAULT '',
    message_id uuid,
    at timestamptz NOT NULL,
    error jsonb,
    raw_webhook_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, instance_id, provider_id, state, recipient)
);
CREATE INDEX receipts_message ON receipts (company_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX receipts_early ON receipts (created_at) WHERE message_id IS NULL;

-- connection_id tells which connection was tried. outcome: accepted, refused, retry, not_connected, limited, unknown.
CREATE TABLE attempts (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    message_id uuid NOT NULL,
    connection_id uuid,
    number smallint NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms double precision,
    outcome text NOT NULL,
    code text,
    why text,
    provider_id text,
    PRIMARY KEY (company_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX attempts_message ON attempts (company_id, message_id, id);

-- key: an Idempotency-Key of the company ('key:…') or a client id of an instance ('client:<instance>:…').
CREATE TABLE idempotency (
    company_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    message_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, key)
);
CREATE INDEX idempotency_age ON idempotency USING brin (created_at);

-- Messages: work ----------------------------------------------------------------------------------------

-- A lane is a sending queue with at most one message in flight: one per instance (key ''), or one per recipient
-- where the instance's ordering is 'recipient'. See docs/explanation/lanes.md for the life of a row.
--   next_at     when to look at the lane next; null: nothing waits. While a message is in flight: the lease's end.
--   not_before  pacing: the earliest time of the next send, whatever arrives meanwhile.
--   woken       work was added since the lane was last looked at; kept so that a concurrent look cannot park it.
--   parked      paused or disconnected: not looked at until released.
--   fence       raised at every claim; only the newest claim may finish.
CREATE TABLE lanes (
    company_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL DEFAULT '',
    next_at timestamptz,
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    woken boolean NOT NULL DEFAULT false,
    parked boolean NOT NULL DEFAULT false,
    fence bigint NOT NULL DEFAULT 0,
    owner uuid,
    message_id uuid,
    claimed_at timestamptz,
    -- When the sends of the last minute left, oldest first; kept only where a limit per minute is set.
    recent timestamptz[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (company_id, instance_id, key),
    FOREIGN KEY (company_id, instance_id) REFERENCES instances ON DELETE CASCADE
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lanes_due ON lanes (next_at) WHERE next_at IS NOT NULL AND NOT parked;

-- What is still to send. due_at is the acceptance, or send_at; rows are deleted when done.
CREATE TABLE outbox (
    company_id uuid NOT NULL,
    message_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    lane_key text COLLATE "C" NOT NULL DEFAULT '',
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    delay_ms integer NOT NULL DEFAULT 0,
    typing_ms integer NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    -- Since when nobody knows whether it was sent; it is settled before anything else of its lane.
    unproven_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, message_id),
    FOREIGN KEY (company_id, instance_id, lane_key) REFERENCES lanes ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_head ON outbox (instance_id, lane_key, priority, due_at, message_id);

-- Claims up to `most` due lanes for `lease` and returns the head of each: an interrupted or unproven message first,
-- then by priority and time. A function, because each of its statements has a snapshot of its own: the second must
-- see the outbox as it is once the lanes are locked. In one statement it would see it as it was before, and claim a
-- message that another process has just finished or that was just cancelled.
CREATE FUNCTION claim_lanes(at timestamptz, most integer, claimer uuid, lease interval)
RETURNS TABLE (
    company_id uuid, instance_id uuid, key text, fence bigint, message_id uuid, attempts smallint, typing_ms integer,
    unproven_at timestamptz, due_at timestamptz, interrupted boolean, conversation_id uuid, type text,
    priority smallint, address text, content jsonb, reply_to text, client_id text, metadata jsonb,
    created_at timestamptz, resent boolean, proven boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    held lanes[];
BEGIN
    SELECT array_agg(l) INTO held FROM (
        SELECT * FROM lanes WHERE next_at <= at AND NOT parked ORDER BY next_at LIMIT most FOR UPDATE SKIP LOCKED
    ) l;
    IF held IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH due AS MATERIALIZED (
        SELECT * FROM unnest(held)
    ), looked AS MATERIALIZED (
        SELECT d.company_id, d.instance_id, d.key, d.woken, d.message_id AS interrupted, o.message_id, o.attempts,
               o.typing_ms, o.unproven_at, o.due_at,
               CASE WHEN i.paused OR i.status NOT IN ('connected', 'degraded') THEN at + interval '5 seconds'
                    WHEN i.hold_until > at THEN i.hold_until END AS blocked_until,
               greatest(d.not_before, CASE WHEN o.delay_ms > 0 AND o.attempts = 0 THEN
                    greatest(d.not_before, o.due_at) + o.delay_ms * interval '1 millisecond' END) AS ready_at
        FROM due d
        JOIN instances i ON i.company_id = d.company_id AND i.id = d.instance_id
        LEFT JOIN LATERAL (
            (SELECT b.* FROM outbox b WHERE b.company_id = d.company_id AND b.message_id = d.message_id)
            UNION ALL
            (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND b.priority = 0
                AND b.due_at <= at ORDER BY b.due_at, b.message_id LIMIT 1)
            UNION ALL
            (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND b.priority = 1
                AND b.due_at <= at ORDER BY b.due_at, b.message_id LIMIT 1)
            UNION ALL
            (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND b.priority = 2
                AND b.due_at <= at ORDER BY b.due_at, b.message_id LIMIT 1)
            LIMIT 1
        ) o ON true
    ), taken AS (
        UPDATE lanes l SET
            fence = l.fence + 1,
            woken = false,
            claimed_at = at,
            owner = CASE WHEN k.blocked_until IS NULL AND k.ready_at <= at AND k.message_id IS NOT NULL THEN claimer END,
            message_id = CASE WHEN k.message_id IS NOT NULL AND (k.blocked_until IS NULL AND k.ready_at <= at
                OR k.message_id = k.interrupted) THEN k.message_id END,
            next_at = CASE
                WHEN k.message_id IS NULL AND k.woken THEN at
                WHEN k.message_id IS NULL THEN (
                    SELECT min(f.due_at) FROM unnest(ARRAY[0, 1, 2]) AS p (priority), LATERAL (
                        SELECT b.due_at FROM outbox b WHERE b.instance_id = k.instance_id AND b.lane_key = k.key
                            AND b.priority = p.priority ORDER BY b.due_at LIMIT 1) f)
                WHEN k.blocked_until IS NOT NULL THEN k.blocked_until
                WHEN k.ready_at > at THEN k.ready_at
                ELSE at + lease END
        FROM looked k
        WHERE l.company_id = k.company_id AND l.instance_id = k.instance_id AND l.key = k.key
        RETURNING l.company_id, l.instance_id, l.key, l.fence, l.owner, l.message_id, k.interrupted, k.attempts,
                  k.typing_ms, k.unproven_at, k.due_at
    )
    SELECT t.company_id, t.instance_id, t.key, t.fence, t.message_id, t.attempts, t.typing_ms, t.unproven_at, t.due_at,
           coalesce(t.interrupted = t.message_id, false) AS interrupted,
           m.conversation_id, m.type, m.priority, m.address, m.content, m.reply_to, m.client_id, m.metadata, m.created_at,
           m.resent, m.provider_id IS NOT NULL AND m.status NOT IN ('queued', 'unproven') AS proven
    FROM taken t JOIN messages m ON m.company_id = t.company_id AND m.id = t.message_id
    WHERE t.owner IS NOT NULL;
END
$$;

CREATE TABLE dead_letters (
    company_id uuid NOT NULL,
    message_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    attempts smallint NOT NULL,
    code text NOT NULL,
    why text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, message_id)
);

-- Events and their deliveries ---------------------------------------------------------------------------

CREATE SEQUENCE event_sequence;

CREATE TABLE events (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    sequence bigint NOT NULL DEFAULT nextval('event_sequence'),
    type text NOT NULL,
    instance_id uuid,
    conversation_id uuid,
    message_id uuid,
    at timestamptz NOT NULL DEFAULT now(),
    data jsonb NOT NULL,
    PRIMARY KEY (company_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX events_type ON events (company_id, type, id DESC);

-- A company's endpoint. secret and previous_secret are encrypted; both sign while previous_until is ahead.
CREATE TABLE webhooks (
    company_id uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    id uuid NOT NULL,
    instance_id uuid,
    url text NOT NULL,
    events text[] NOT NULL,
    format text NOT NULL DEFAULT 'recado',
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_until timestamptz,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused')),
    paused_reason text,
    failing_since timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, instance_id) REFERENCES instances ON DELETE CASCADE
);

-- The queue of one endpoint for one conversation (or instance, or ''): the same machinery as lanes.
CREATE TABLE delivery_lanes (
    company_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    next_at timestamptz,
    woken boolean NOT NULL DEFAULT false,
    parked boolean NOT NULL DEFAULT false,
    fence bigint NOT NULL DEFAULT 0,
    owner uuid,
    PRIMARY KEY (company_id, webhook_id, key),
    FOREIGN KEY (company_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- Claimed per endpoint: (company, webhook) is walked by a loose index scan, then the earliest lanes of each.
CREATE INDEX delivery_lanes_due ON delivery_lanes (company_id, webhook_id, next_at)
    WHERE next_at IS NOT NULL AND NOT parked;

-- One event to one endpoint. status: pending, delivered, failed.
CREATE TABLE deliveries (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event_id uuid NOT NULL,
    lane_key text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    attempts smallint NOT NULL DEFAULT 0,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
CREATE INDEX deliveries_head ON deliveries (webhook_id, lane_key, sequence) WHERE status = 'pending';
CREATE INDEX deliveries_webhook ON deliveries (company_id, webhook_id, id DESC);
CREATE INDEX deliveries_age ON deliveries USING brin (created_at);

CREATE TABLE delivery_attempts (
    company_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number smallint NOT NULL,
    at timestamptz NOT NULL,
    duration_ms double precision NOT NULL,
    status integer,
    error text,
    PRIMARY KEY (company_id, delivery_id, number),
    FOREIGN KEY (company_id, delivery_id) REFERENCES deliveries ON DELETE CASCADE
);

-- Claims up to `most` due lanes, of the endpoints after a given one, and returns the head of each. The endpoints that
-- have scheduled lanes are walked by a loose index scan, so the cost does not depend on how much waits for any of them.
-- An endpoint gives at most `each` lanes, or what its room says; one that is failing gives a probe, due or not.
-- Two statements for the reason given at claim_lanes.
CREATE FUNCTION claim_deliveries(
    at timestamptz, most integer, claimer uuid, lease interval, after_company uuid, after_webhook uuid, each integer,
    roomy uuid[], healthy_rooms integer[], failing_rooms integer[]
) RETURNS TABLE (
    company_id uuid, webhook_id uuid, key text, fence bigint, delivery_id uuid, attempts smallint, url text,
    secret bytea, previous_secret bytea, previous_until timestamptz, failing_since timestamptz, number integer,
    first_at timestamptz, event_id uuid, type text, event_at timestamptz, instance_id uuid, conversation_id uuid,
    sequence bigint, data text
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
               w.failing_since, h.id AS delivery_id, h.event_id, h.attempts
        FROM unnest(held) d
        JOIN webhooks w ON w.company_id = d.company_id AND w.id = d.webhook_id
        LEFT JOIN LATERAL (
            SELECT * FROM deliveries p
            WHERE p.webhook_id = d.webhook_id AND p.lane_key = d.key AND p.status = 'pending'
            ORDER BY p.sequence LIMIT 1
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
           t.event_id, e.type, e.at, e.instance_id, e.conversation_id, e.sequence, e.data::text AS data
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

-- Every event goes to every endpoint that asked for it, whoever wrote it: no writer can forget to.
CREATE FUNCTION fan_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM added a JOIN webhooks w ON w.company_id = a.company_id) THEN
        RETURN NULL;
    END IF;
    -- A test goes to the endpoint under test alone; whoever writes it queues it.
    WITH wanted AS MATERIALIZED (
        SELECT a.company_id, w.id AS webhook_id, a.id AS event_id, a.sequence, w.status = 'paused' AS parked,
               coalesce(a.conversation_id::text, a.instance_id::text, '') AS lane_key
        FROM added a
        JOIN webhooks w ON w.company_id = a.company_id
            AND (w.instance_id IS NULL OR w.instance_id = a.instance_id)
            AND w.events && ARRAY[a.type, '*']
        WHERE a.type <> 'webhook.test'
    ), lanes AS (
        INSERT INTO delivery_lanes AS l (company_id, webhook_id, key, next_at, woken, parked)
        SELECT company_id, webhook_id, lane_key, now(), true, bool_or(parked)
        FROM wanted GROUP BY company_id, webhook_id, lane_key
        ORDER BY company_id, webhook_id, lane_key COLLATE "C"
        ON CONFLICT (company_id, webhook_id, key) DO UPDATE
        SET woken = true, next_at = CASE WHEN l.owner IS NULL THEN coalesce(l.next_at, now()) ELSE l.next_at END
    )
    INSERT INTO deliveries (company_id, id, webhook_id, event_id, lane_key, sequence)
    SELECT company_id, new_id(), webhook_id, event_id, lane_key, sequence FROM wanted;
    PERFORM pg_notify('recado', 'deliveries');
    RETURN NULL;
END
$$;

-- A UUIDv7 for rows that the database makes itself.
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(
        overlay(uuid_send(gen_random_uuid()) PLACING
            substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

-- The event's own row lives in a partition; the statement's rows are seen on the parent.
CREATE TRIGGER events_fan_out AFTER INSERT ON events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION fan_out();

-- Provider webhooks -------------------------------------------------------------------------------------

-- The body as it came. company_id is the nil UUID for a server that several companies share.
CREATE TABLE raw_webhooks (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    server_id uuid,
    connection_id uuid,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    events integer,
    error text,
    PRIMARY KEY (company_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX raw_webhooks_error ON raw_webhooks (company_id, id DESC) WHERE error IS NOT NULL;

-- Raw webhooks still to process, in the order they were stored. source is the connection, or the server.
CREATE TABLE inbox (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source uuid NOT NULL,
    company_id uuid NOT NULL,
    raw_webhook_id uuid NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX inbox_source ON inbox (source, sequence);

-- Media -------------------------------------------------------------------------------------------------

-- status: pending (still at the provider), ready, failed. path is the object's name in media storage.
CREATE TABLE media (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL,
    message_id uuid,
    connection_id uuid,
    ref jsonb,
    mime_type text,
    filename text,
    size bigint,
    sha256 text,
    path text,
    error text,
    attempts smallint NOT NULL DEFAULT 0,
    next_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id)
);
CREATE INDEX media_pending ON media (next_at) WHERE status = 'pending';

-- Partitions --------------------------------------------------------------------------------------------

-- The smallest UUIDv7 of an instant.
CREATE FUNCTION lowest_id(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Makes the partitions of this month and of `ahead` more; harmless when they exist. Called at every start and daily.
CREATE FUNCTION ensure_partitions(ahead integer DEFAULT 2) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    parent text;
    month timestamptz;
    child text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('recado.partitions'));
    FOREACH parent IN ARRAY ARRAY['messages', 'events', 'raw_webhooks', 'attempts'] LOOP
        FOR step IN 0..ahead LOOP
            month := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => step);
            child := parent || '_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
                    lowest_id(month), lowest_id(month + interval '1 month'));
                IF parent = 'messages' THEN
                    -- Room on the page for the receipts' updates, which then touch no index.
                    EXECUTE format('ALTER TABLE %I SET (fillfactor = 75)', child);
                END IF;
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
CREATE TABLE messages_other PARTITION OF messages DEFAULT;
CREATE TABLE events_other PARTITION OF events DEFAULT;
CREATE TABLE raw_webhooks_other PARTITION OF raw_webhooks DEFAULT;
CREATE TABLE attempts_other PARTITION OF attempts DEFAULT;
SELECT ensure_partitions();

-- Isolation ---------------------------------------------------------------------------------------------

-- Every table with a company_id: the API sees the company it set, and nothing when it set none.
-- A later migration that adds a tenant table calls this again.
CREATE FUNCTION protect_tenants() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'company_id'
        WHERE c.relnamespace = current_schema::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY company ON %I TO recado_api USING (company_id = current_company())
                        WITH CHECK (company_id = current_company())', name);
        EXECUTE format('CREATE POLICY all_companies ON %I TO recado_worker USING (true) WITH CHECK (true)', name);
    END LOOP;
    ALTER TABLE companies ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO recado_api, recado_worker;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO recado_api, recado_worker;
END
$$;
CREATE POLICY company ON companies TO recado_api USING (id = current_company()) WITH CHECK (id = current_company());
CREATE POLICY all_companies ON companies TO recado_worker USING (true) WITH CHECK (true);
SELECT protect_tenants();
