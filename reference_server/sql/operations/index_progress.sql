-- purpose: How far the index builds of this database are.
SELECT c.relname AS index, p.phase, p.lockers_done, p.lockers_total, p.blocks_done, p.blocks_total,
       p.tuples_done, p.tuples_total
  FROM pg_stat_progress_create_index p
  LEFT JOIN pg_class c ON c.oid = p.index_relid
 WHERE p.datname = current_database()
