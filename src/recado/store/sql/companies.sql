-- name: insert_company
-- Add a company.
INSERT INTO companies (id, name, settings) VALUES ($1, $2, $3) RETURNING id, name, status, settings, created_at;

-- name: get_company
-- One company.
SELECT id, name, status, settings, created_at FROM companies WHERE id = $1;

-- name: lock_company
-- One company, held against other changes. Weak enough for its messages to be accepted.
SELECT id, name, status, settings, created_at FROM companies WHERE id = $1 FOR NO KEY UPDATE;

-- name: list_companies
-- A page of companies, the oldest first.
SELECT id, name, status, settings, created_at FROM companies
WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2;

-- name: update_company
-- Change what a person may change of a company.
UPDATE companies SET name = $2, status = $3, settings = $4 WHERE id = $1
RETURNING id, name, status, settings, created_at;

-- name: delete_company
-- Remove a company and all that hangs on it by foreign keys.
DELETE FROM companies WHERE id = $1;

-- name: history_tables
-- The tables of tenants that no foreign key empties: those that hold history.
SELECT c.oid::regclass::text AS name
FROM pg_class c
WHERE c.relnamespace = current_schema::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'company_id')
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f')
ORDER BY 1;

-- name: delete_history
-- Remove some rows of a company from one of those tables; {table} is a name from history_tables.
DELETE FROM {table} WHERE (tableoid, ctid) = ANY (ARRAY(
    SELECT (tableoid, ctid) FROM {table} WHERE company_id = $1 LIMIT $2
));

-- name: media_paths
-- Some of the files that a company has in media storage.
SELECT id, path FROM media WHERE company_id = $1 AND path IS NOT NULL AND ($2::uuid IS NULL OR id > $2)
ORDER BY id LIMIT $3;
