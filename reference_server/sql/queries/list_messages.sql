-- purpose: A page of a conversation's messages before a seq, newest first.
-- question: message_page
-- truth: truth_by_seq
-- next: before_seq = seq
-- parameters: conversation_id uuid, before_seq bigint, page_limit integer
SELECT id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE conversation_id = $1 AND seq < $2
 ORDER BY seq DESC
 LIMIT $3
