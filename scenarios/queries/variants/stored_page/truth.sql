-- purpose: A conversation's newest messages, said as plainly as possible.
-- parameters: conversation_id uuid, page_limit integer
SELECT id, sender_id, content, created_at
  FROM laboratory_messages_by_time
 WHERE conversation_id = $1
 ORDER BY created_at DESC, id DESC
 LIMIT $2
