-- name: applied_migrations
-- The numbers of the migrations that this database has.
SELECT number FROM schema_migrations;
