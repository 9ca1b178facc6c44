-- purpose: The newest message, and one a hundred before it, of the conversation with the most members, asked by one of them.
WITH large AS (
    SELECT conversation_id, (array_agg(user_id ORDER BY user_id))[1] AS user_id
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY conversation_id
     ORDER BY count(*) DESC, conversation_id
     LIMIT 1)
SELECT 'newest' AS parameter_class, large.user_id AS caller_id, c.id AS conversation_id, c.last_seq AS receipt_seq
  FROM large
  JOIN conversations c ON c.id = large.conversation_id
 WHERE c.last_seq > 0
UNION ALL
SELECT 'older', large.user_id, c.id, greatest(c.last_seq - 100, 1)
  FROM large
  JOIN conversations c ON c.id = large.conversation_id
 WHERE c.last_seq > 0
 ORDER BY parameter_class
