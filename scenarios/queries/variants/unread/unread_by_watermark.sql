-- purpose: Unread messages as the difference of two numbers.
-- question: unread
-- parameters: conversation_id uuid, user_id uuid
SELECT greatest(c.last_seq - p.last_read_seq, 0) AS unread_count
  FROM conversation_participants p
  JOIN conversations c ON c.id = p.conversation_id
 WHERE p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL
