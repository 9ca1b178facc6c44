-- purpose: The WAL position, in bytes, by which everything is logged that the primary has acknowledged so far.
-- Flushed, not inserted: WAL of a transaction that is still open is not sent to replicas before somebody's flush, and
-- waiting for it would wait for nothing. Only where commits do not wait for their flush is "inserted" what is needed.
SELECT (CASE current_setting('synchronous_commit')
            WHEN 'off' THEN pg_current_wal_insert_lsn()
            ELSE pg_current_wal_flush_lsn()
        END - '0/0'::pg_lsn)::bigint AS position
