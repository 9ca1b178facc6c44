-- purpose: Turns a message of one's own into a tombstone; no row when there is none, or it is one already.
-- parameters: conversation_id uuid, seq bigint, sender_id uuid
UPDATE chat_messages
   SET deleted_at = clock_timestamp()
 WHERE conversation_id = $1 AND seq = $2 AND sender_id = $3 AND deleted_at IS NULL
RETURNING id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
