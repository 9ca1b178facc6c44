-- purpose: Takes the right to change this database's indexes, when nobody has it; it ends with the connection.
-- Asked again and again rather than waited for: a statement that waits holds a snapshot, and CREATE INDEX CONCURRENTLY
-- waits for every snapshot to end.
SELECT pg_try_advisory_lock(hashtextextended('chatbench index builds', 0))
