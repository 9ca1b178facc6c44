-- purpose: A page by its distance from the newest message. What is written meanwhile pushes rows into the next page.
-- parameters: conversation_id uuid, rows_before bigint, page_limit integer
SELECT seq, created_at, id
  FROM chat_messages
 WHERE conversation_id = $1
 ORDER BY created_at DESC, id DESC
OFFSET $2
 LIMIT $3
