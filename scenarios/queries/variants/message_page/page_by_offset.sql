-- purpose: A page of messages by counting those before it.
-- question: message_page
-- next: page_offset = +rows
-- parameters: conversation_id uuid, page_offset integer, page_limit integer
SELECT id, seq
  FROM chat_messages
 WHERE conversation_id = $1
 ORDER BY created_at DESC, id DESC
OFFSET $2
 LIMIT $3
