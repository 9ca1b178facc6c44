-- purpose: A page of messages before a time, as the roadmap's getMessages(limit, before) says it.
-- question: message_page
-- next: before_created_at = created_at
-- parameters: conversation_id uuid, before_created_at timestamptz, page_limit integer
SELECT id, seq, created_at
  FROM chat_messages
 WHERE conversation_id = $1 AND created_at < $2
 ORDER BY created_at DESC
 LIMIT $3
