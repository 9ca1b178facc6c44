-- purpose: A user's merged status as it is now.
-- parameters: user_id uuid, status text, version bigint, last_seen_at timestamptz
INSERT INTO user_presence (user_id, status, version, last_seen_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE
   SET status = excluded.status, version = excluded.version, last_seen_at = excluded.last_seen_at
