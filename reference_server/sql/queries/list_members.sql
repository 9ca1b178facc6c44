-- purpose: Everyone who is in a conversation now: whom a message fans out to.
-- question: members
-- parameters: conversation_id uuid
SELECT user_id
  FROM conversation_participants
 WHERE conversation_id = $1 AND left_at IS NULL
