-- purpose: The size of a database on disk.
-- parameters: database_name text
SELECT pg_database_size($1::name)
