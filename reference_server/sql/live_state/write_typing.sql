-- purpose: A user is typing in a conversation for some seconds more.
-- parameters: conversation_id uuid, user_id uuid, remaining_seconds double precision
INSERT INTO typing_indicators (conversation_id, user_id, expires_at)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (conversation_id, user_id) DO UPDATE
   SET expires_at = excluded.expires_at
