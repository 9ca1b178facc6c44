-- purpose: Publishes this session's counters when the statement ends, and not some seconds later.
SELECT pg_stat_force_next_flush()
