-- purpose: A participant's watermark and what is unread above it; no row for who is not in the conversation.
-- question: unread
-- parameters: conversation_id uuid, user_id uuid
SELECT p.last_read_seq, greatest(c.last_seq - p.last_read_seq, 0) AS unread_count, c.last_seq
  FROM conversation_participants p
  JOIN conversations c ON c.id = p.conversation_id
 WHERE p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL
