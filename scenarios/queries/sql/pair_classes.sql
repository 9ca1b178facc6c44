-- purpose: Pairs of users: two who have a direct conversation, and the heaviest user with those who have none with them.
WITH heavy AS (
    SELECT user_id
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY user_id
     ORDER BY count(*) DESC, user_id
     LIMIT 1)
(SELECT 'existing_pair' AS parameter_class, participant1_id AS caller_id, participant1_id AS user_id,
        participant2_id AS other_user_id, NULL::uuid[] AS each_other_user_id
   FROM conversations
  WHERE type = 'direct'
  ORDER BY last_seq DESC, id
  LIMIT 1)
UNION ALL
-- Another one for every execution, because a pair is new only once.
SELECT 'new_pair', heavy.user_id, heavy.user_id, NULL,
       ARRAY(SELECT u.id
               FROM users u
              WHERE u.id <> heavy.user_id
                AND NOT EXISTS (
                    SELECT FROM conversations c
                     WHERE c.participant1_id = least(u.id, heavy.user_id)
                       AND c.participant2_id = greatest(u.id, heavy.user_id))
              ORDER BY u.id
              LIMIT 10000)
  FROM heavy
 ORDER BY parameter_class
