-- purpose: The command that explains a prepared statement of this session without executing it.
-- parameters: prepared_name text, value_texts text[]
SELECT format('EXPLAIN (FORMAT JSON) EXECUTE %I', $1::text)
       || coalesce(
           (SELECT format('(%s)', string_agg(quote_nullable(value), ', ' ORDER BY position))
              FROM unnest($2::text[]) WITH ORDINALITY AS given (value, position)
            HAVING count(*) > 0),
           '')
