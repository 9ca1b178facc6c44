-- purpose: Whether a user is in a conversation now, counted.
-- parameters: conversation_id uuid, user_id uuid
SELECT count(*) > 0 AS is_member
  FROM conversation_participants
 WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL
