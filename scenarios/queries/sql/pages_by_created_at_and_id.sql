-- purpose: A page before a time and an id, compared as one value, newest first.
-- parameters: conversation_id uuid, before timestamptz, before_id uuid, page_limit integer
SELECT seq, created_at, id
  FROM chat_messages
 WHERE conversation_id = $1 AND (created_at, id) < ($2, $3)
 ORDER BY created_at DESC, id DESC
 LIMIT $4
