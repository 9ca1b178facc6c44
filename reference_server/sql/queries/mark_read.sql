-- purpose: Moves a participant's watermark up to a message; no row when it is there already or there is no such message.
-- parameters: conversation_id uuid, seq bigint, user_id uuid
UPDATE conversation_participants p
   SET last_read_seq = $2
 WHERE p.conversation_id = $1 AND p.user_id = $3 AND p.left_at IS NULL AND p.last_read_seq < $2
   AND EXISTS (SELECT FROM chat_messages m WHERE m.conversation_id = $1 AND m.seq = $2)
RETURNING last_read_seq
