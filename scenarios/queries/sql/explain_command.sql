-- purpose: The command that explains and executes a prepared statement of this session, by its own cached plan.
-- parameters: prepared_name text, value_texts text[]
SELECT format('EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, SETTINGS, FORMAT JSON) EXECUTE %I', $1::text)
       || coalesce(
           (SELECT format('(%s)', string_agg(quote_nullable(value), ', ' ORDER BY position))
              FROM unnest($2::text[]) WITH ORDINALITY AS given (value, position)
            HAVING count(*) > 0),
           '')
