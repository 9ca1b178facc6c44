-- purpose: How many sessions of this database wait for the lock that whoever notifies holds through the commit.
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'object'
