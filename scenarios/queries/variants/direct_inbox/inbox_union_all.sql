-- purpose: The direct inbox as two branches, each ordered and limited by itself.
-- question: direct_inbox
-- parameters: user_id uuid, page_limit integer
(SELECT id, last_message_at
   FROM conversations
  WHERE type = 'direct' AND participant1_id = $1
  ORDER BY last_message_at DESC, id DESC
  LIMIT $2)
UNION ALL
(SELECT id, last_message_at
   FROM conversations
  WHERE type = 'direct' AND participant2_id = $1
  ORDER BY last_message_at DESC, id DESC
  LIMIT $2)
 ORDER BY last_message_at DESC, id DESC
 LIMIT $2
