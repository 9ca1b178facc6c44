-- purpose: A page of all of a user's conversations, said as plainly as possible.
-- parameters: user_id uuid, before_at timestamptz, before_id uuid, page_limit integer
SELECT c.id, c.last_message_at, greatest(c.last_seq - p.last_read_seq, 0) AS unread_count
  FROM conversation_participants p
  JOIN conversations c ON c.id = p.conversation_id
 WHERE p.user_id = $1 AND p.left_at IS NULL AND (c.last_message_at, c.id) < ($2, $3)
 ORDER BY c.last_message_at DESC, c.id DESC
 LIMIT $4
