-- purpose: How often a prepared statement of this session ran by a generic plan.
-- parameters: prepared_name text
SELECT generic_plans FROM pg_prepared_statements WHERE name = $1
