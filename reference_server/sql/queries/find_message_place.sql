-- purpose: The conversation and seq of a message by id.
-- parameters: message_id uuid
SELECT conversation_id, seq
  FROM chat_messages
 WHERE id = $1
