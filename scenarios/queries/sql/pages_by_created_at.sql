-- purpose: The roadmap's page: messages before a time, newest first. Those that share the last one's time are lost.
-- parameters: conversation_id uuid, before timestamptz, page_limit integer
SELECT seq, created_at, id
  FROM chat_messages
 WHERE conversation_id = $1 AND created_at < $2
 ORDER BY created_at DESC
 LIMIT $3
