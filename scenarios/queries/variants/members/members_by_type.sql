-- purpose: A conversation's members: a direct one's from its own row, a group's from the participants.
-- question: members
-- parameters: conversation_id uuid
SELECT pair.user_id
  FROM conversations c
 CROSS JOIN LATERAL (VALUES (c.participant1_id), (c.participant2_id)) AS pair (user_id)
 WHERE c.id = $1 AND c.type = 'direct'
UNION ALL
SELECT user_id
  FROM conversation_participants
 WHERE conversation_id = $1 AND conversation_type = 'group' AND left_at IS NULL
