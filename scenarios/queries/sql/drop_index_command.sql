-- purpose: The command that drops an index, with its name as PostgreSQL reads it.
-- parameters: index_name text
SELECT format('DROP INDEX public.%I', $1::text)
