-- purpose: Rows that each chat table has been given so far, its updates, and how many of them were heap-only (HOT).
SELECT relname AS name, n_tup_ins AS inserts, n_tup_upd AS updates, n_tup_hot_upd AS hot_updates
  FROM pg_stat_user_tables
 WHERE schemaname = 'public'
