-- purpose: Updates so far of all chat tables, and how many of them were heap-only (HOT).
SELECT coalesce(sum(n_tup_upd), 0)::bigint AS updates, coalesce(sum(n_tup_hot_upd), 0)::bigint AS hot_updates
  FROM pg_stat_user_tables
 WHERE schemaname = 'public'
