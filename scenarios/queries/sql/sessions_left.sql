-- purpose: How many of the given sessions are still there.
-- parameters: pids integer[]
SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)
