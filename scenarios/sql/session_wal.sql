-- purpose: The WAL that a database's sessions have published so far, that of all other sessions, and the cluster's.
-- parameters: database text
SELECT coalesce(sum(own.wal_records) FILTER (WHERE datname = $1), 0)::bigint AS own_records,
       coalesce(sum(own.wal_bytes) FILTER (WHERE datname = $1), 0)::bigint AS own_bytes,
       coalesce(sum(own.wal_records) FILTER (WHERE datname IS DISTINCT FROM $1), 0)::bigint AS other_records,
       coalesce(sum(own.wal_bytes) FILTER (WHERE datname IS DISTINCT FROM $1), 0)::bigint AS other_bytes,
       cluster.wal_records AS cluster_records,
       cluster.wal_bytes::bigint AS cluster_bytes
  FROM pg_stat_wal AS cluster, pg_stat_activity, LATERAL pg_stat_get_backend_wal(pid) AS own
 GROUP BY cluster.wal_records, cluster.wal_bytes
