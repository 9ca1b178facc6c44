-- purpose: Changes the content of a message of one's own; no row when there is none, or only its tombstone.
-- parameters: conversation_id uuid, seq bigint, sender_id uuid, content text
UPDATE chat_messages
   SET content = $4
 WHERE conversation_id = $1 AND seq = $2 AND sender_id = $3 AND deleted_at IS NULL
RETURNING id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
