-- purpose: Who has read a message, said as plainly as possible.
-- parameters: conversation_id uuid, receipt_seq bigint
SELECT user_id
  FROM conversation_participants
 WHERE conversation_id = $1 AND last_read_seq >= $2 AND left_at IS NULL
