-- purpose: What one database has read and committed since its statistics began, and where the cluster's WAL ends.
-- parameters: database text
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
       blks_hit AS buffers_hit,
       blks_read AS buffers_read,
       xact_commit AS commits
FROM pg_stat_database
WHERE datname = $1;
