-- purpose: Pages of messages: the first and a deep one of the hot conversation, the first of others.
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
SELECT CASE rank WHEN 1 THEN 'hot_first_page' WHEN conversations THEN 'light_first_page' ELSE 'median_first_page' END
           AS parameter_class,
       user_id AS caller_id, id AS conversation_id, user_id, last_seq + 1 AS before_seq
  FROM ranked
 WHERE rank IN (1, (conversations + 1) / 2, conversations)
UNION ALL
-- Nine tenths of the way back: deep, and a whole page remains wherever there are 500 messages.
SELECT 'hot_deep_page', user_id, id, user_id, last_seq / 10 + 1 FROM ranked WHERE rank = 1
UNION ALL
SELECT 'absent', user_id, md5('absent conversation')::uuid, user_id, last_seq + 1 FROM ranked WHERE rank = 1
 ORDER BY parameter_class
