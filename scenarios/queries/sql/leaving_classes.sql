-- purpose: A member of many groups, not the user in the most conversations, and the groups that they can leave.
WITH ranked AS (
    SELECT user_id, row_number() OVER (ORDER BY count(*) DESC, user_id) AS rank
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY user_id),
leaver AS (
    SELECT p.user_id
      FROM conversation_participants p
      JOIN ranked r ON r.user_id = p.user_id AND r.rank > 1  -- the first one's own list is asked for all the time
     WHERE p.conversation_type = 'group' AND p.left_at IS NULL AND p.role <> 'owner'
     GROUP BY p.user_id
     ORDER BY count(*) DESC, p.user_id
     LIMIT 1)
SELECT 'many' AS parameter_class, leaver.user_id AS caller_id,
       ARRAY(SELECT p.conversation_id
               FROM conversation_participants p
              WHERE p.user_id = leaver.user_id AND p.conversation_type = 'group' AND p.left_at IS NULL
                AND p.role <> 'owner'
              ORDER BY p.conversation_id
              LIMIT 5000) AS each_conversation_id
  FROM leaver
