-- purpose: The message that a sender has already stored under this client_id.
-- parameters: sender_id uuid, client_id uuid
SELECT id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE sender_id = $1 AND client_id = $2
