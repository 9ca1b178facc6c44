-- purpose: For each table with a key: how to read what this transaction wrote, and how the row was before, by its key.
SELECT t.relname::text AS table_name,
       format('SELECT to_jsonb(t)::text FROM %I t WHERE t.xmin = pg_current_xact_id()::xid', t.relname) AS written,
       format('SELECT to_jsonb(t)::text FROM %I t WHERE %s', t.relname,
              string_agg(format('%I = (%s1::jsonb ->> %L)::%s', c.attname, '$', c.attname,
                                format_type(c.atttypid, c.atttypmod)), ' AND ')) AS before
  FROM pg_class t
  JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
  JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = ANY (i.indkey::smallint[])
 WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND has_table_privilege('authenticated', t.oid, 'SELECT')
 GROUP BY t.relname
 ORDER BY t.relname
