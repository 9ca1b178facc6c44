-- purpose: What clients missed: the last few and the last thousand messages of the hot conversation, all of a median one.
WITH ranked AS (
    SELECT c.id, c.last_seq, m.user_id, row_number() OVER (ORDER BY c.last_seq DESC, c.id) AS rank,
           count(*) OVER () AS conversations
      FROM conversations c
     CROSS JOIN LATERAL (
        SELECT p.user_id
          FROM conversation_participants p
         WHERE p.conversation_id = c.id AND p.left_at IS NULL
         ORDER BY p.user_id
         LIMIT 1) AS m
     WHERE c.last_seq > 0)
-- Ten and a thousand are guesses: a lost minute and a lost day.
SELECT 'hot_few' AS parameter_class, user_id AS caller_id, id AS conversation_id, user_id,
       greatest(last_seq - 10, 0) AS after_seq, last_seq AS through_seq
  FROM ranked WHERE rank = 1
UNION ALL
SELECT 'hot_many', user_id, id, user_id, greatest(last_seq - 1000, 0), last_seq FROM ranked WHERE rank = 1
UNION ALL
SELECT 'median_all', user_id, id, user_id, 0, last_seq FROM ranked WHERE rank = (conversations + 1) / 2
UNION ALL
SELECT 'absent', user_id, md5('absent conversation')::uuid, user_id, 0, last_seq FROM ranked WHERE rank = 1
 ORDER BY parameter_class
