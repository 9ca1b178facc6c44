-- purpose: The same condition without the type, which participants imply and an index's predicate cannot know.
-- question: direct_inbox
-- parameters: user_id uuid, page_limit integer
SELECT id, last_message_at
  FROM conversations
 WHERE participant1_id = $1 OR participant2_id = $1
 ORDER BY last_message_at DESC, id DESC
 LIMIT $2
