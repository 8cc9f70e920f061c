-- The sandbox provider: scripted phones, what they received and wrote, the sessions of the instances on them,
-- and the webhooks that are still to be sent.

-- How a phone behaves. A number without a row behaves as the defaults say. Rates are probabilities per attempt.
CREATE TABLE sandbox_phones (
    company_id uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    number text NOT NULL,
    auto_reply text,
    ack text NOT NULL DEFAULT 'read' CHECK (ack IN ('read', 'delivered', 'none')),
    latency_ms integer NOT NULL DEFAULT 300 CHECK (latency_ms >= 0),
    fail_kind text CHECK (fail_kind IN ('refused', 'retry', 'limited', 'lost')),
    fail_code text,
    fail_rate double precision NOT NULL DEFAULT 0,
    fail_after double precision NOT NULL DEFAULT 1,
    timeout_rate double precision NOT NULL DEFAULT 0,
    connected boolean NOT NULL DEFAULT true,
    per_minute integer CHECK (per_minute >= 1),
    PRIMARY KEY (company_id, number)
);

-- A connection's session with the sandbox. code is what a phone can scan or be given while status is 'qr', until
-- expires_at. paired survives a cut line and a ban, not a logout.
CREATE TABLE sandbox_sessions (
    company_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    status text NOT NULL,
    paired boolean NOT NULL DEFAULT false,
    reason text,
    phone text,
    method text,
    code text,
    expires_at timestamptz,
    typing_to text,
    typing_at timestamptz,
    PRIMARY KEY (company_id, connection_id),
    FOREIGN KEY (company_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE UNIQUE INDEX sandbox_sessions_code ON sandbox_sessions (company_id, code) WHERE code IS NOT NULL;
CREATE INDEX sandbox_sessions_instance ON sandbox_sessions (company_id, instance_id);

-- What phones got from instances. count is how often the message was handed over; received_at is null while it
-- waits for a phone that is off.
CREATE TABLE sandbox_messages (
    company_id uuid NOT NULL,
    message_id uuid NOT NULL,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    connection_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    number text NOT NULL,
    type text NOT NULL,
    content jsonb NOT NULL,
    media jsonb,
    reply_to text,
    count integer NOT NULL DEFAULT 1,
    accepted_at timestamptz NOT NULL,
    received_at timestamptz,
    PRIMARY KEY (company_id, message_id),
    FOREIGN KEY (company_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE INDEX sandbox_messages_phone ON sandbox_messages (company_id, number, sequence);
CREATE INDEX sandbox_messages_connection ON sandbox_messages (company_id, connection_id);
CREATE INDEX sandbox_messages_age ON sandbox_messages USING brin (accepted_at);

-- What phones wrote to instances, and the bytes of its media.
CREATE TABLE sandbox_written (
    company_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    number text NOT NULL,
    type text NOT NULL,
    content jsonb NOT NULL,
    media bytea,
    written_at timestamptz NOT NULL,
    read_at timestamptz,
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE INDEX sandbox_written_chat ON sandbox_written (company_id, connection_id, number, id);
CREATE INDEX sandbox_written_age ON sandbox_written USING brin (written_at);

-- Webhooks still to be sent. due_at is null while one waits for its phone, or its instance, to be connected again;
-- it is then due after_ms later.
CREATE TABLE sandbox_jobs (
    company_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    connection_id uuid NOT NULL,
    number text NOT NULL DEFAULT '',
    event text NOT NULL,
    payload jsonb NOT NULL,
    due_at timestamptz,
    after_ms integer NOT NULL DEFAULT 0,
    PRIMARY KEY (company_id, id),
    FOREIGN KEY (company_id, connection_id) REFERENCES sandbox_sessions ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX sandbox_jobs_due ON sandbox_jobs (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX sandbox_jobs_connection ON sandbox_jobs (company_id, connection_id, due_at, id);
CREATE INDEX sandbox_jobs_waiting ON sandbox_jobs (company_id, number) WHERE due_at IS NULL;

SELECT protect_tenants();
