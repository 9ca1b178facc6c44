-- purpose: A conversation's newest messages from one table.
-- question: stored_page
-- setup: ../storing/storing_setup.sql
-- parameters: conversation_id uuid, page_limit integer
SELECT id, sender_id, content, created_at
  FROM laboratory_messages_by_time
 WHERE conversation_id = $1
 ORDER BY created_at DESC, id DESC
 LIMIT $2
