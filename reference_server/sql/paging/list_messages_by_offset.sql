-- purpose: A page of a conversation's messages by how many come before it, newest first.
-- parameters: conversation_id uuid, page_offset bigint, page_limit integer
-- In the order of the key, so that what a deep page costs is the counting, not a sort.
SELECT id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
  FROM chat_messages
 WHERE conversation_id = $1
 ORDER BY seq DESC
OFFSET $2
 LIMIT $3
