-- name: list_sealed
-- A page of everything that is encrypted with the key ring, in a fixed order.
SELECT place, id, company_id, blob
FROM (
    SELECT 'server' AS place, id, company_id, credentials AS blob FROM servers
    UNION ALL
    SELECT 'connection', id, company_id, credentials FROM connections
    UNION ALL
    SELECT 'zapi', instance_id, company_id, token FROM zapi_instances
    UNION ALL
    SELECT 'webhook', id, company_id, secret FROM webhooks
    UNION ALL
    SELECT 'webhook_previous', id, company_id, previous_secret FROM webhooks WHERE previous_secret IS NOT NULL
) AS sealed
WHERE (place, id) > ($1::text, $2::uuid)
ORDER BY place, id LIMIT $3;

-- name: replace_server
-- Replace a server's credentials, unless they were changed meanwhile.
UPDATE servers SET credentials = $4 WHERE id = $2 AND company_id IS NOT DISTINCT FROM $1 AND credentials = $3;

-- name: replace_connection
-- Replace a connection's credentials, unless they were changed meanwhile.
UPDATE connections SET credentials = $4 WHERE company_id = $1 AND id = $2 AND credentials = $3;

-- name: replace_webhook
-- Replace an endpoint's secret, unless it was changed meanwhile.
UPDATE webhooks SET secret = $4 WHERE company_id = $1 AND id = $2 AND secret = $3;

-- name: replace_webhook_previous
-- Replace an endpoint's previous secret, unless it was changed meanwhile.
UPDATE webhooks SET previous_secret = $4 WHERE company_id = $1 AND id = $2 AND previous_secret = $3;

-- name: replace_zapi
-- Replace an instance's Z-API token, unless it was changed meanwhile.
UPDATE zapi_instances SET token = $4 WHERE company_id = $1 AND instance_id = $2 AND token = $3;
