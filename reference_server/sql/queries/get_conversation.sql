-- purpose: One conversation by id.
-- parameters: conversation_id uuid
SELECT id, type, name, description, participant1_id, participant2_id, created_by, created_at, last_message_at, last_seq
  FROM conversations
 WHERE id = $1
