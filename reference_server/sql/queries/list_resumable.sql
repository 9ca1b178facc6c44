-- purpose: Those of the given conversations that a user is in, with the newest seq of each: what a resume may replay.
-- parameters: user_id uuid, conversation_ids uuid[]
SELECT p.conversation_id, c.last_seq
  FROM conversation_participants p
  JOIN conversations c ON c.id = p.conversation_id
 WHERE p.conversation_id = ANY ($2) AND p.user_id = $1 AND p.left_at IS NULL
