-- purpose: Notes that a user is there, in an ordinary table that has an index on when they were last seen.
-- question: presence_heartbeat
-- setup: presence_setup.sql
-- parameters: user_id uuid
INSERT INTO laboratory_presence_indexed (user_id, last_seen)
VALUES ($1, clock_timestamp())
ON CONFLICT (user_id) DO UPDATE SET last_seen = excluded.last_seen
RETURNING user_id
