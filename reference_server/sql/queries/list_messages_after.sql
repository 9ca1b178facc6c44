-- purpose: A page of a conversation's messages after a seq, oldest first: the way back to the newest.
-- parameters: conversation_id uuid, after_seq bigint, page_limit integer
SELECT id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE conversation_id = $1 AND seq > $2
 ORDER BY seq
 LIMIT $3
