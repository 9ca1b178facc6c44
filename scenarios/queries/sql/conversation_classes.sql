-- purpose: The conversations with the most, the median and the fewest messages, that with the most members, and none.
WITH ranked AS (
    SELECT id, row_number() OVER (ORDER BY last_seq DESC, id) AS rank, count(*) OVER () AS conversations
      FROM conversations
     WHERE last_seq > 0),
chosen AS (
    SELECT CASE rank WHEN 1 THEN 'hot' WHEN conversations THEN 'light' ELSE 'median' END AS parameter_class, id
      FROM ranked
     WHERE rank IN (1, (conversations + 1) / 2, conversations)
    UNION ALL
    (SELECT 'large', conversation_id
       FROM conversation_participants
      WHERE left_at IS NULL
      GROUP BY conversation_id
      ORDER BY count(*) DESC, conversation_id
      LIMIT 1)),
member AS (
    SELECT parameter_class, id,
           (SELECT user_id
              FROM conversation_participants
             WHERE conversation_id = id AND left_at IS NULL
             ORDER BY user_id
             LIMIT 1) AS user_id
      FROM chosen)
SELECT parameter_class, user_id AS caller_id, id AS conversation_id, user_id, user_id AS sender_id
  FROM member
 WHERE user_id IS NOT NULL
UNION ALL
(SELECT 'absent', user_id, md5('absent conversation')::uuid, user_id, user_id
   FROM member
  WHERE parameter_class = 'hot')
 ORDER BY parameter_class
