-- purpose: The processes that work for one database or for all of them, and what each waits for.
-- parameters: database text
SELECT pid,
       coalesce(backend_type = 'client backend' AND state IN ('active', 'fastpath function call'), false) AS is_active,
       wait_event_type,
       wait_event
FROM pg_stat_activity
WHERE (datname = $1 OR datname IS NULL) AND pid <> pg_backend_pid();
