-- purpose: A page of a connection's messages before a moment, newest first, as the roadmap pages: ties may be lost.
-- parameters: connection_request_id uuid, before_moment timestamptz, page_limit integer
SELECT id, connection_request_id, sender_id, content, created_at, read_at
  FROM messages
 WHERE connection_request_id = $1 AND created_at < $2
 ORDER BY created_at DESC, id DESC
 LIMIT $3
