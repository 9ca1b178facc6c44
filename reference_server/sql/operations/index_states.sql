-- purpose: Those of the named indexes that are there: whole, or what an interrupted build or drop has left.
-- parameters: names text[]
SELECT c.relname AS name, i.indisvalid AS is_valid, pg_relation_size(c.oid) AS bytes,
       pg_get_indexdef(c.oid) AS definition,
       EXISTS (SELECT FROM pg_stat_progress_create_index p
                WHERE p.index_relid = c.oid AND p.datname = current_database()) AS is_being_built
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1)
