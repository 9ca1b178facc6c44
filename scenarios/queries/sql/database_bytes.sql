-- purpose: The size of a database; no row when it is not there.
-- parameters: name text
SELECT pg_database_size(oid) FROM pg_database WHERE datname = $1
