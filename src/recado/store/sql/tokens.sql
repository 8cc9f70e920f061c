-- name: insert_token
-- Add a token; only its digest is kept.
INSERT INTO tokens (id, level, company_id, instance_id, name, hash, hint)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id, level, company_id, instance_id, name, hint, created_at, revoked_at;

-- name: find_principal
-- Who a token stands for, with what every request needs to know of the company.
SELECT t.id, t.level, t.company_id, t.instance_id, c.status AS company_status, c.settings AS company_settings
FROM tokens t LEFT JOIN companies c ON c.id = t.company_id
WHERE t.hash = $1 AND t.revoked_at IS NULL;

-- name: get_token
-- One token; with a company, only that company's.
SELECT id, level, company_id, instance_id, name, hint, created_at, revoked_at
FROM tokens WHERE id = $1 AND ($2::uuid IS NULL OR company_id = $2);

-- name: list_tokens
-- A page of tokens, the oldest first; with a company, only that company's.
SELECT id, level, company_id, instance_id, name, hint, created_at, revoked_at
FROM tokens
WHERE ($1::uuid IS NULL OR company_id = $1) AND ($2::uuid IS NULL OR id > $2)
ORDER BY id LIMIT $3;

-- name: revoke_token
-- End a token; the time of the first revocation stays.
UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1
RETURNING id, level, company_id, instance_id, name, hint, created_at, revoked_at;

-- name: revoke_instance_tokens
-- End every token of an instance.
UPDATE tokens SET revoked_at = coalesce(revoked_at, $3) WHERE company_id = $1 AND instance_id = $2;

-- name: admin_exists
-- Whether any admin token is valid.
SELECT EXISTS (SELECT FROM tokens WHERE level = 'admin' AND revoked_at IS NULL);

-- name: lock_admins
-- Let one process at a time decide whether the first admin token must be made.
SELECT pg_advisory_xact_lock(hashtext('recado.admin_token'));

-- name: notify_caches
-- Tell every process, once this transaction is committed, that what it cached of tokens and instances is old.
SELECT pg_notify('recado', 'caches');
