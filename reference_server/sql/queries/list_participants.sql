-- purpose: A page of a conversation's participants by id, each with role and watermark.
-- parameters: conversation_id uuid, after_user_id uuid, page_limit integer
SELECT user_id, role, joined_at, last_read_seq
  FROM conversation_participants
 WHERE conversation_id = $1 AND left_at IS NULL AND user_id > $2
 ORDER BY user_id
 LIMIT $3
