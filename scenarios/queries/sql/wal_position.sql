-- purpose: How far the cluster's WAL reaches in bytes, and how many whole pages have gone into it so far.
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes, wal_fpi AS full_pages
  FROM pg_stat_wal
