-- name: company_of_message
-- The company a message id belongs to. Looked up per company, so that each look-up uses the primary key.
SELECT c.id FROM companies c
WHERE EXISTS (SELECT FROM messages m WHERE m.company_id = c.id AND m.id = $1);

-- name: clock
-- The database's own time, and its version as a number (150004 is 15.4).
SELECT clock_timestamp() AS now, current_setting('server_version_num')::integer AS version;
