-- purpose: Whether the current transaction has written anything so far.
SELECT pg_current_xact_id_if_assigned() IS NOT NULL
