-- purpose: Pages of conversation lists: the first of a heavy, a median, a light and an absent user, and a deep one.
WITH ranked AS (
    SELECT user_id, count(*) AS conversations,
           row_number() OVER (ORDER BY count(*) DESC, user_id) AS rank, count(*) OVER () AS users
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY user_id),
chosen AS (
    SELECT CASE rank WHEN 1 THEN 'heavy' WHEN users THEN 'light' ELSE 'median' END AS weight, user_id, conversations
      FROM ranked
     WHERE rank IN (1, (users + 1) / 2, users)
    UNION ALL
    SELECT 'absent', md5('absent user')::uuid, 0)
SELECT weight AS parameter_class, user_id AS caller_id, user_id,
       '9999-12-31 00:00:00+00'::timestamptz AS before_at,
       'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid AS before_id
  FROM chosen
UNION ALL
SELECT 'heavy_deep_page', user_id, user_id, middle.last_message_at, middle.id
  FROM chosen
 CROSS JOIN LATERAL (
    SELECT c.last_message_at, c.id
      FROM conversation_participants p
      JOIN conversations c ON c.id = p.conversation_id
     WHERE p.user_id = chosen.user_id AND p.left_at IS NULL
     ORDER BY c.last_message_at DESC, c.id DESC
    OFFSET chosen.conversations / 2
     LIMIT 1) AS middle
 WHERE weight = 'heavy'
 ORDER BY parameter_class
