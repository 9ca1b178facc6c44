-- purpose: A page of messages before a row value of time and id.
-- question: message_page
-- next: before_created_at = created_at, before_message_id = id
-- parameters: conversation_id uuid, before_created_at timestamptz, before_message_id uuid, page_limit integer
SELECT id, seq, created_at
  FROM chat_messages
 WHERE conversation_id = $1 AND (created_at, id) < ($2, $3)
 ORDER BY created_at DESC, id DESC
 LIMIT $4
