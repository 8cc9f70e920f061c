-- name: find_instance
-- An instance by its id in Z-API's addresses, with its account and company.
SELECT z.company_id, z.instance_id, z.public_id, z.token, z.settings, z.subscribed_at, z.cancelled_at, z.due_at,
       z.created_at, a.client_token, coalesce(a.client_token_enabled, false) AS client_token_enabled,
       coalesce(a.settings, '{}') AS account_settings, c.status AS company_status, c.settings AS company_settings
FROM zapi_instances z
JOIN companies c ON c.id = z.company_id
LEFT JOIN zapi_accounts a ON a.company_id = z.company_id
WHERE z.public_id = $1

-- name: public_id_of
-- The id in Z-API's addresses of an instance.
SELECT public_id FROM zapi_instances WHERE company_id = $1 AND instance_id = $2

-- name: insert_instance
-- Open an instance to Z-API clients. Nothing is returned when it is open, or when the id is taken.
INSERT INTO zapi_instances (company_id, instance_id, public_id, token, settings)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING instance_id

-- name: delete_instance
-- Close an instance to Z-API clients.
DELETE FROM zapi_instances WHERE company_id = $1 AND instance_id = $2

-- name: lock_settings
-- What an instance is set to, held until the transaction ends.
SELECT settings FROM zapi_instances WHERE company_id = $1 AND instance_id = $2 FOR NO KEY UPDATE

-- name: set_settings
-- Change what an instance is set to.
UPDATE zapi_instances SET settings = $3 WHERE company_id = $1 AND instance_id = $2

-- name: subscribe
-- Subscribe an instance, again or for the first time: from now on nothing ends.
UPDATE zapi_instances SET subscribed_at = CASE WHEN cancelled_at IS NULL THEN subscribed_at ELSE now() END,
    cancelled_at = NULL, due_at = NULL
WHERE company_id = $1 AND instance_id = $2

-- name: cancel
-- Cancel an instance's subscription; it can be used until then. A second call changes nothing.
UPDATE zapi_instances SET cancelled_at = now(), due_at = $3
WHERE company_id = $1 AND instance_id = $2 AND cancelled_at IS NULL

-- name: get_account
-- A company's account.
SELECT * FROM zapi_accounts WHERE company_id = $1

-- name: lock_account
-- A company's account, held until the transaction ends; made where it has none, so that there is something to hold.
INSERT INTO zapi_accounts (company_id) VALUES ($1)
ON CONFLICT (company_id) DO UPDATE SET company_id = excluded.company_id
RETURNING *

-- name: find_partner
-- The company that an imported partner token belongs to.
SELECT company_id FROM zapi_accounts WHERE partner_token = $1

-- name: save_account
-- Change a company's account.
UPDATE zapi_accounts SET client_token = $2, client_token_enabled = $3, partner_token = $4, settings = $5
WHERE company_id = $1

-- name: list_instances
-- A page of a company's instances that are open to Z-API clients, the oldest first.
SELECT z.*, i.name, i.status
FROM zapi_instances z JOIN instances i ON i.company_id = z.company_id AND i.id = z.instance_id
WHERE z.company_id = $1
    AND ($2 = '' OR strpos(lower(i.name), lower($2)) > 0 OR upper(z.public_id) = upper($2))
ORDER BY z.created_at, z.instance_id LIMIT $3 OFFSET $4

-- name: count_instances
-- How many instances the whole list has.
SELECT count(*)
FROM zapi_instances z JOIN instances i ON i.company_id = z.company_id AND i.id = z.instance_id
WHERE z.company_id = $1
    AND ($2 = '' OR strpos(lower(i.name), lower($2)) > 0 OR upper(z.public_id) = upper($2))

-- name: count_waiting
-- How many messages wait, counted up to a limit.
SELECT count(*) FROM (SELECT FROM outbox WHERE company_id = $1 AND instance_id = $2 LIMIT $3) o
