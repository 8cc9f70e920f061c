-- The sandbox's WhatsApp beyond messages: what its accounts have, and the groups, communities and channels they share.

-- An account is a number, whichever instance is paired with it; account '' is WhatsApp itself, which knows the groups,
-- communities and channels. What data holds is in providers/sandbox/things.py.
CREATE TABLE sandbox_things (
    company_id uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    account text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    data jsonb NOT NULL,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (company_id, account, kind, id)
);

-- What the phone's owner calls themselves.
ALTER TABLE sandbox_written ADD COLUMN name text;

SELECT protect_tenants();
