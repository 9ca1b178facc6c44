-- purpose: The role of somebody who is in a conversation now; no row for who is not.
-- parameters: conversation_id uuid, user_id uuid
SELECT role
  FROM conversation_participants
 WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL
