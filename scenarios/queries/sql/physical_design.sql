-- purpose: All that a strategy may change, with the size of each index: compared before and after its commands.
SELECT 'index' AS kind, c.relname AS name,
       pg_get_indexdef(c.oid) || coalesce(' ' || c.reloptions::text, '') AS definition,
       pg_relation_size(c.oid) AS bytes, i.indisvalid AS valid, i.indexprs IS NOT NULL AS computed,
       -- What it is, whatever its name and whether it is unique as well.
       replace(replace(pg_get_indexdef(c.oid), format('INDEX %I ON', c.relname), 'ON'), 'UNIQUE ', '') AS shape
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'table', relname, coalesce(reloptions::text, ''), pg_table_size(oid), true, false, NULL
  FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
UNION ALL
SELECT 'column', c.relname || '.' || a.attname,
       concat_ws(' ', a.attstattarget, a.attstorage, a.attcompression, a.attoptions::text), 0, true, false, NULL
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i') AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY kind, name
