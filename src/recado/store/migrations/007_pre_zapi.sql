-- The Z-API surface: a company's account there, and the ids and tokens by which Z-API clients name its instances.

-- client_token is the SHA-256 of the account's Client-Token; it is asked for only while enabled. partner_token is the
-- SHA-256 of a partner token that was imported; a company's own token is one as well.
CREATE TABLE zapi_accounts (
    company_id uuid PRIMARY KEY REFERENCES companies ON DELETE CASCADE,
    client_token bytea,
    client_token_enabled boolean NOT NULL DEFAULT false,
    partner_token bytea UNIQUE,
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- public_id is the id in Z-API's addresses: ours in 32 upper-case hex digits, or the one it had at Z-API. The token is
-- encrypted (kit.crypto), since Z-API shows it again and writes it into every webhook.
-- cancelled_at and due_at: the subscription was cancelled, and until when the instance can be used all the same.
CREATE TABLE zapi_instances (
    company_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    public_id text COLLATE "C" NOT NULL UNIQUE,
    token bytea NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}',
    subscribed_at timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz,
    due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, instance_id),
    FOREIGN KEY (company_id, instance_id) REFERENCES instances ON DELETE CASCADE
);

SELECT protect_tenants();
