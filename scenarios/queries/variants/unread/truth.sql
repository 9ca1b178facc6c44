-- purpose: How many messages a participant has not read, counted one by one.
-- parameters: conversation_id uuid, user_id uuid
SELECT count(m.seq) AS unread_count
  FROM conversation_participants p
  LEFT JOIN chat_messages m ON m.conversation_id = p.conversation_id AND m.seq > p.last_read_seq
 WHERE p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL
 GROUP BY p.conversation_id, p.user_id
