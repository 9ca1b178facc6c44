-- purpose: No index for the rest of the transaction: what is read then does not depend on any.
SELECT set_config(name, 'off', true)
  FROM unnest(ARRAY['enable_indexscan', 'enable_indexonlyscan', 'enable_bitmapscan']) AS setting (name)
