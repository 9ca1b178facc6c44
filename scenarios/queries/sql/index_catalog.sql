-- purpose: The indexes of the chat's tables: their keys in order, every column that they depend on, and their predicate.
SELECT x.relname AS name, t.relname AS table_name, a.amname AS method,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, key, true)
               FROM generate_series(1, i.indnkeyatts) AS key
              ORDER BY key) AS keys,
       -- Predicate and expressions included: a change of any of these ends heap-only updates.
       ARRAY(SELECT DISTINCT c.attname::text
               FROM pg_depend d
               JOIN pg_attribute c ON c.attrelid = d.refobjid AND c.attnum = d.refobjsubid
              WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
              UNION
             SELECT c.attname::text
               FROM unnest(i.indkey::smallint[]) AS number
               JOIN pg_attribute c ON c.attrelid = i.indrelid AND c.attnum = number
              ORDER BY 1) AS columns,
       pg_get_expr(i.indpred, i.indrelid) AS predicate,
       pg_relation_size(i.indexrelid) AS bytes
  FROM pg_index i
  JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_am a ON a.oid = x.relam
 WHERE x.relnamespace = 'public'::regnamespace
 ORDER BY x.relname
