-- The built-in engine: which process holds which number, and what it is asked to do.

-- Where whatsmeow keeps the keys of its devices. It makes its tables itself; we only look up message secrets.
CREATE SCHEMA IF NOT EXISTS whatsmeow;
GRANT USAGE ON SCHEMA whatsmeow TO recado_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA whatsmeow GRANT SELECT ON TABLES TO recado_worker;

-- Engine processes. One that was not seen for a while is dead, and counts for nothing.
CREATE TABLE native_engines (
    id uuid PRIMARY KEY,
    capacity integer NOT NULL CHECK (capacity > 0),
    version text NOT NULL,
    seen_at timestamptz NOT NULL
);

-- A connection as the engine knows it. `wanted` is what people asked for; `owner` holds it until `lease_until`, and
-- `fence` counts its owners, so that a former one writes nothing. It is not taken before `not_before`.
CREATE TABLE native_sessions (
    company_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    wanted boolean NOT NULL DEFAULT false,
    logout boolean NOT NULL DEFAULT false,
    method text NOT NULL DEFAULT 'qr' CHECK (method IN ('qr', 'phone_code')),
    pair_phone text,
    device text,
    status text NOT NULL DEFAULT 'created',
    reason text,
    phone text,
    qr text,
    pairing_code text,
    expires_at timestamptz,
    details jsonb NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL DEFAULT now(),
    owner uuid,
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    not_before timestamptz,
    failures integer NOT NULL DEFAULT 0,
    PRIMARY KEY (company_id, connection_id),
    FOREIGN KEY (company_id, connection_id) REFERENCES connections ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX native_sessions_wanted ON native_sessions (connection_id) WHERE wanted OR logout;
CREATE INDEX native_sessions_owner ON native_sessions (owner) WHERE owner IS NOT NULL;

-- What the owner of a connection is asked to do. Those that send a message stay for a while: a second send of the
-- same message finds the first. `secret` goes into the message and, with its id, into whatsmeow's own store just
-- before it leaves, which tells afterwards whether it came that far: `device` is the one it was begun on, until an answer
-- proves what became of it.
CREATE TABLE native_commands (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    message_id uuid,
    operation text NOT NULL,
    request jsonb NOT NULL,
    payload bytea,
    secret bytea,
    device text,
    deadline timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    owner uuid,
    fence bigint,
    claimed_at timestamptz,
    replied_at timestamptz,
    reply jsonb,
    reply_payload bytea,
    provider_id text,
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, connection_id) REFERENCES native_sessions ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX native_commands_message ON native_commands (company_id, connection_id, message_id)
    WHERE message_id IS NOT NULL;
CREATE INDEX native_commands_waiting ON native_commands (connection_id, id) WHERE claimed_at IS NULL;
CREATE INDEX native_commands_sent ON native_commands (company_id, connection_id, provider_id)
    WHERE provider_id IS NOT NULL;
CREATE INDEX native_commands_age ON native_commands (created_at);

SELECT protect_tenants();
