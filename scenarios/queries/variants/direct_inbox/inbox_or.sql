-- purpose: The direct inbox as one condition: either participant.
-- question: direct_inbox
-- parameters: user_id uuid, page_limit integer
SELECT id, last_message_at
  FROM conversations
 WHERE type = 'direct' AND (participant1_id = $1 OR participant2_id = $1)
 ORDER BY last_message_at DESC, id DESC
 LIMIT $2
