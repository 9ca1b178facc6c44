-- purpose: A user's newest direct conversations, said as plainly as possible.
-- parameters: user_id uuid, page_limit integer
SELECT id, last_message_at
  FROM conversations
 WHERE type = 'direct' AND $1 IN (participant1_id, participant2_id)
 ORDER BY last_message_at DESC, id DESC
 LIMIT $2
