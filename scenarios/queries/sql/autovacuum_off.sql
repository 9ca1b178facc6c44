-- purpose: No autovacuum inside blocks: it would take turns with one strategy and not the other.
DO $$
DECLARE
    chat_table regclass;
BEGIN
    FOR chat_table IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', chat_table);
    END LOOP;
END
$$
