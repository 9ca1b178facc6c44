-- purpose: Ends every other session of this database, and says which; a session that ends publishes its counters.
-- Those by which a server holds a lock for as long as it lives write nothing, and stay.
SELECT pid, pg_terminate_backend(pid) AS told
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND application_name NOT LIKE 'chatbench % turn'
