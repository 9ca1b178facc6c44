-- purpose: Ends every other session of this database, and says which; a session that ends publishes its counters.
SELECT pid, pg_terminate_backend(pid) AS told
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
