-- purpose: One message by its place.
-- parameters: conversation_id uuid, seq bigint
SELECT id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE conversation_id = $1 AND seq = $2
