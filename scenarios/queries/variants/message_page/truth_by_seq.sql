-- purpose: A page of messages before a seq, said as plainly as possible.
-- parameters: conversation_id uuid, before_seq bigint, page_limit integer
SELECT id, seq
  FROM chat_messages
 WHERE conversation_id = $1 AND seq < $2
 ORDER BY seq DESC
 LIMIT $3
