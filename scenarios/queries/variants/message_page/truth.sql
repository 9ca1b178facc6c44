-- purpose: A page of messages before one of them, by time and id, said as plainly as possible.
-- parameters: conversation_id uuid, before_created_at timestamptz, before_message_id uuid, page_limit integer
SELECT id, seq
  FROM chat_messages
 WHERE conversation_id = $1 AND (created_at, id) < ($2, $3)
 ORDER BY created_at DESC, id DESC
 LIMIT $4
