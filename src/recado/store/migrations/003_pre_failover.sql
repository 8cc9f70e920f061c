-- Several connections for one instance: which one it sends through, and which one tried what nobody can prove.

-- active: the connection that the instance sends through; exactly one while it has any. activated_by and activated_at
-- tell why it is this one (created, requested, failover, back, removed) and since when. opened: we made its session at
-- the provider, so we end it. opening_until: somebody makes that session, and others wait until then; it stays when the
-- answer did not come, because the session may be there. turned_at: since when it sends, or does not; status_at is the
-- change of any status, and one that tries to come back changes it all the time.
ALTER TABLE connections
    ADD COLUMN active boolean NOT NULL DEFAULT true,
    ADD COLUMN activated_by text NOT NULL DEFAULT 'created',
    ADD COLUMN activated_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN opened boolean NOT NULL DEFAULT false,
    ADD COLUMN opening_until timestamptz,
    ADD COLUMN turned_at timestamptz NOT NULL DEFAULT now();
UPDATE connections c SET active = false
WHERE EXISTS (SELECT FROM connections b
              WHERE b.company_id = c.company_id AND b.instance_id = c.instance_id AND b.rank < c.rank);
CREATE UNIQUE INDEX connections_active ON connections (company_id, instance_id) WHERE active;
-- The few that stand by: what a look for due switches walks, however many instances there are.
CREATE INDEX connections_standby ON connections (company_id, instance_id) WHERE NOT active;

-- connection_id: what the lane last sent through, written before the call where the instance has several connections.
-- Null: the instance had one at the time, its oldest. No reference: a removed connection's doubt must be remembered.
-- released: the lane was released while a message was in flight, so what that one waits for is over.
ALTER TABLE lanes ADD COLUMN connection_id uuid, ADD COLUMN released boolean NOT NULL DEFAULT false;

-- fallback: what a provider cannot render may go as text, also at a provider that becomes the active one later.
ALTER TABLE outbox ADD COLUMN fallback boolean NOT NULL DEFAULT false;
