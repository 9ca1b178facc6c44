-- purpose: The users in the most, the median and the fewest conversations, and one who does not exist.
WITH ranked AS (
    SELECT user_id, row_number() OVER (ORDER BY count(*) DESC, user_id) AS rank, count(*) OVER () AS users
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY user_id)
SELECT CASE rank WHEN 1 THEN 'heavy' WHEN users THEN 'light' ELSE 'median' END AS parameter_class,
       user_id AS caller_id, user_id,
       -- As many as a client that reconnects has on its screen: a guess.
       ARRAY(SELECT p.conversation_id
               FROM conversation_participants p
              WHERE p.user_id = ranked.user_id AND p.left_at IS NULL
              ORDER BY p.conversation_id
              LIMIT 50) AS conversation_ids
  FROM ranked
 WHERE rank IN (1, (users + 1) / 2, users)
UNION ALL
SELECT 'absent', md5('absent user')::uuid, md5('absent user')::uuid, ARRAY[md5('absent conversation')::uuid]
 ORDER BY parameter_class
