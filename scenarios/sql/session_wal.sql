-- purpose: The WAL that each session has published so far, whether it is a client's in the database, and the cluster's.
-- parameters: database text
SELECT pid,
       backend_start,
       (datname IS NOT DISTINCT FROM $1 AND backend_type = 'client backend') AS is_own,
       coalesce(own.wal_records, 0)::bigint AS records,
       coalesce(own.wal_bytes, 0)::bigint AS bytes,
       cluster.wal_records AS cluster_records,
       cluster.wal_bytes::bigint AS cluster_bytes
  FROM pg_stat_wal AS cluster, pg_stat_activity, LATERAL pg_stat_get_backend_wal(pid) AS own
