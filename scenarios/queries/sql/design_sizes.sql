-- purpose: What each of the laboratory's own tables takes up with all its partitions, its indexes apart; how to count it.
SELECT t.relname::text AS name,
       (SELECT sum(pg_table_size(part))::bigint FROM unnest(parts.oids) AS part) AS table_bytes,
       (SELECT sum(pg_indexes_size(part))::bigint FROM unnest(parts.oids) AS part) AS index_bytes,
       format('SELECT count(*) FROM %I', t.relname) AS counting
  FROM pg_class t
 CROSS JOIN LATERAL (
       SELECT array_agg(oid) AS oids
         FROM (SELECT t.oid UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = t.oid) AS own) AS parts
 WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
   AND t.relname ^@ 'laboratory_'
 ORDER BY t.relname
