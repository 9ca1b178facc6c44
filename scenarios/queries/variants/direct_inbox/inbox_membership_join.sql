-- purpose: The direct inbox by way of one's memberships.
-- question: direct_inbox
-- parameters: user_id uuid, page_limit integer
SELECT c.id, c.last_message_at
  FROM conversation_participants p
  JOIN conversations c ON c.id = p.conversation_id
 WHERE p.user_id = $1 AND p.left_at IS NULL AND c.type = 'direct'
 ORDER BY c.last_message_at DESC, c.id DESC
 LIMIT $2
