-- purpose: Where the server keeps its files; null for those who may not know.
SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'MEMBER') THEN current_setting('data_directory') END
