-- purpose: Notes that a user is there, in a table without WAL, emptied after a crash and not on replicas.
-- question: presence_heartbeat
-- setup: presence_setup.sql
-- parameters: user_id uuid
INSERT INTO laboratory_presence_unlogged (user_id, last_seen)
VALUES ($1, clock_timestamp())
ON CONFLICT (user_id) DO UPDATE SET last_seen = excluded.last_seen
RETURNING user_id
