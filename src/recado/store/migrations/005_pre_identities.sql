-- One person, one contact: what became of contacts and conversations that were merged, and the canonical numbers that
-- providers told. First contacts: which messages are one, and until when they are held.

-- Merged contacts and conversations keep their ids for whoever holds one: they lead to what survived.
CREATE TABLE contact_aliases (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    contact_id uuid NOT NULL,
    merged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX contact_aliases_contact ON contact_aliases (company_id, contact_id);

CREATE TABLE conversation_aliases (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    merged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, conversation_id) REFERENCES conversations ON DELETE CASCADE
);
CREATE INDEX conversation_aliases_conversation ON conversation_aliases (company_id, conversation_id);

-- moved_at: when the identity came to lead to another contact, by a merge or because it was given to somebody else. It is
-- how processes learn that what they have in memory of an address is over.
ALTER TABLE identities ADD COLUMN moved_at timestamptz;
CREATE INDEX identities_moved ON identities (moved_at) WHERE moved_at IS NOT NULL;

-- Messages that still name a conversation, or a contact, that was merged. They are moved in small transactions, newest
-- first, several times over: a process that had the old ids in memory may write them for a few seconds more.
-- before is the place of the pass under way, null at its start.
CREATE TABLE history_moves (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    before uuid,
    passes smallint NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, conversation_id) REFERENCES conversations ON DELETE CASCADE
);
CREATE INDEX history_moves_due ON history_moves (next_at);

-- What a provider said of a number: canonical is how WhatsApp writes it, null when it is not on WhatsApp.
CREATE TABLE canonical_phones (
    company_id uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    phone text NOT NULL,
    canonical text,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (company_id, phone)
);
-- Kept for an hour, and cleaned by the janitor.
CREATE INDEX canonical_phones_absent ON canonical_phones (checked_at) WHERE canonical IS NULL;

-- First contacts -------------------------------------------------------------------------------------------

-- When a first contact was spent on the conversation. What was there before counts as known.
ALTER TABLE conversations ADD COLUMN reached_at timestamptz;
UPDATE conversations SET reached_at = created_at;

-- first_contacts_until: the hour's first contacts are spent. cold_until: the provider takes nothing for chats in which
-- nobody wrote to us. cold_since: when it last said so; what was reached before and never answered is cold again.
ALTER TABLE instances ADD COLUMN first_contacts_until timestamptz;
ALTER TABLE instances ADD COLUMN cold_until timestamptz;
ALTER TABLE instances ADD COLUMN cold_since timestamptz;

-- The first contacts of the last hour.
CREATE TABLE first_contacts (
    company_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (company_id, instance_id, conversation_id),
    FOREIGN KEY (company_id, instance_id) REFERENCES instances ON DELETE CASCADE
);

-- cold: a first contact, as acceptance saw it; its conversation is kept only then, to find it when they answer.
ALTER TABLE outbox ADD COLUMN cold boolean NOT NULL DEFAULT false;
ALTER TABLE outbox ADD COLUMN conversation_id uuid;
CREATE INDEX outbox_next ON outbox (instance_id, lane_key, cold, priority, due_at, message_id);
CREATE INDEX outbox_cold ON outbox (company_id, conversation_id) WHERE cold;
DROP INDEX outbox_head;

-- As before, and a held first contact is passed over: within a priority the head is the older of the oldest warm and,
-- unless they are held, the oldest cold message. Each of the six is one look into outbox_next, however much waits.
CREATE OR REPLACE FUNCTION claim_lanes(at timestamptz, most integer, claimer uuid, lease interval)
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
        SELECT l.*, i.cold_until, i.first_contacts_until,
               CASE WHEN i.paused OR i.status NOT IN ('connected', 'degraded') THEN at + interval '5 seconds'
                    WHEN i.hold_until > at THEN i.hold_until END AS blocked_until
        FROM unnest(held) l JOIN instances i ON i.company_id = l.company_id AND i.id = l.instance_id
    ), looked AS MATERIALIZED (
        SELECT d.company_id, d.instance_id, d.key, d.woken, d.message_id AS interrupted, d.blocked_until,
               greatest(d.cold_until, d.first_contacts_until, at) AS cold_at,
               o.message_id, o.attempts, o.typing_ms, o.unproven_at, o.due_at,
               greatest(d.not_before, CASE WHEN o.delay_ms > 0 AND o.attempts = 0 THEN
                    greatest(d.not_before, o.due_at) + o.delay_ms * interval '1 millisecond' END) AS ready_at
        FROM due d
        LEFT JOIN LATERAL (
            (SELECT b.* FROM outbox b WHERE b.company_id = d.company_id AND b.message_id = d.message_id)
            UNION ALL
            (SELECT h.* FROM (
                (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND NOT b.cold
                    AND b.priority = 0 AND b.due_at <= at ORDER BY b.due_at, b.message_id LIMIT 1)
                UNION ALL
                (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND b.cold
                    AND b.priority = 0 AND b.due_at <= at
                    AND greatest(d.cold_until, d.first_contacts_until, at) <= at
                    ORDER BY b.due_at, b.message_id LIMIT 1)
            ) h ORDER BY h.due_at, h.message_id LIMIT 1)
            UNION ALL
            (SELECT h.* FROM (
                (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND NOT b.cold
                    AND b.priority = 1 AND b.due_at <= at ORDER BY b.due_at, b.message_id LIMIT 1)
                UNION ALL
                (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND b.cold
                    AND b.priority = 1 AND b.due_at <= at
                    AND greatest(d.cold_until, d.first_contacts_until, at) <= at
                    ORDER BY b.due_at, b.message_id LIMIT 1)
            ) h ORDER BY h.due_at, h.message_id LIMIT 1)
            UNION ALL
            (SELECT h.* FROM (
                (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND NOT b.cold
                    AND b.priority = 2 AND b.due_at <= at ORDER BY b.due_at, b.message_id LIMIT 1)
                UNION ALL
                (SELECT b.* FROM outbox b WHERE b.instance_id = d.instance_id AND b.lane_key = d.key AND b.cold
                    AND b.priority = 2 AND b.due_at <= at
                    AND greatest(d.cold_until, d.first_contacts_until, at) <= at
                    ORDER BY b.due_at, b.message_id LIMIT 1)
            ) h ORDER BY h.due_at, h.message_id LIMIT 1)
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
                    -- What waits is scheduled, or held.
                    SELECT min(CASE WHEN c.cold THEN greatest(f.due_at, k.cold_at) ELSE f.due_at END)
                    FROM unnest(ARRAY[0, 1, 2]) AS p (priority), unnest(ARRAY[false, true]) AS c (cold), LATERAL (
                        SELECT b.due_at FROM outbox b WHERE b.instance_id = k.instance_id AND b.lane_key = k.key
                            AND b.cold = c.cold AND b.priority = p.priority ORDER BY b.due_at LIMIT 1) f)
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

SELECT protect_tenants();
