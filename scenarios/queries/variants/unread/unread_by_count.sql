-- purpose: Unread messages, counted whenever they are asked for.
-- question: unread
-- parameters: conversation_id uuid, user_id uuid
SELECT (SELECT count(*)
          FROM chat_messages m
         WHERE m.conversation_id = p.conversation_id AND m.seq > p.last_read_seq) AS unread_count
  FROM conversation_participants p
 WHERE p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL
