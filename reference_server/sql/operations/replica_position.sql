-- purpose: Whether this server is a standby, and the WAL position, in bytes, that its readers see.
SELECT pg_is_in_recovery() AS is_standby, (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS position
