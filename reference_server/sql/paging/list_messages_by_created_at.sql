-- purpose: A page of a conversation's messages before a time, as the roadmap's getMessages(limit, before) asks for it.
-- parameters: conversation_id uuid, before_created_at timestamptz, page_limit integer
-- What shares its time with the last row of a page is lost, whatever its order. That is by seq, so that a walk can be
-- checked by it.
SELECT id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE conversation_id = $1 AND created_at < $2
 ORDER BY created_at DESC, seq DESC
 LIMIT $3
