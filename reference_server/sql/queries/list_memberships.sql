-- purpose: A page of one's conversations by id, with the newest seq of each: where a client stands.
-- parameters: user_id uuid, after_conversation_id uuid, page_limit integer
SELECT p.conversation_id, p.role, p.last_read_seq, c.last_seq
  FROM conversation_participants p
  JOIN conversations c ON c.id = p.conversation_id
 WHERE p.user_id = $1 AND p.left_at IS NULL AND p.conversation_id > $2
 ORDER BY p.conversation_id
 LIMIT $3
