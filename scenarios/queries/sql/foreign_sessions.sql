-- purpose: How many sessions are in databases other than the given ones: what they write is in the cluster's WAL too.
-- parameters: own_names text[]
SELECT count(*)
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND datname <> ALL ($1)
