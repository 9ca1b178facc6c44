-- purpose: The messages of a conversation after a seq, up to and with another, oldest first: what a resume replays.
-- parameters: conversation_id uuid, after_seq bigint, through_seq bigint
SELECT conversation_id, seq, sender_id, content, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE conversation_id = $1 AND seq > $2 AND seq <= $3
 ORDER BY seq
