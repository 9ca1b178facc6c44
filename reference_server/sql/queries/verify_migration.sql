-- purpose: Whether the older schema and the new one tell the same.
SELECT check_name, examined, mismatches, is_ok, example
  FROM verify_migration()
