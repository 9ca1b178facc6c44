-- purpose: A page of messages before a seq, with the columns of the other variants.
-- question: message_page
-- truth: truth_by_seq
-- next: before_seq = seq
-- parameters: conversation_id uuid, before_seq bigint, page_limit integer
SELECT id, seq, created_at
  FROM chat_messages
 WHERE conversation_id = $1 AND seq < $2
 ORDER BY seq DESC
 LIMIT $3
