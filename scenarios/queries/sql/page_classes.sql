-- purpose: Pages of messages: the first and a deep one of the hot conversation, one inside a tie, the first of others.
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
     WHERE c.last_seq > 0),
tied AS (
    SELECT conversation_id, (array_agg(seq ORDER BY created_at, id))[(count(*) + 1) / 2] AS seq
      FROM chat_messages
     GROUP BY conversation_id, created_at
    HAVING count(*) > 1
     ORDER BY count(*) DESC, conversation_id, created_at
     LIMIT 1),
chosen AS (
    SELECT CASE rank WHEN 1 THEN 'hot_first_page' WHEN conversations THEN 'light_first_page' ELSE 'median_first_page' END
               AS parameter_class,
           user_id, id, last_seq + 1 AS before_seq
      FROM ranked
     WHERE rank IN (1, (conversations + 1) / 2, conversations)
    UNION ALL
    -- Nine tenths of the way back: deep, and a whole page remains wherever there are 500 messages.
    SELECT 'hot_deep_page', user_id, id, last_seq / 10 + 1 FROM ranked WHERE rank = 1
    UNION ALL
    SELECT 'tie', ranked.user_id, ranked.id, tied.seq FROM tied JOIN ranked ON ranked.id = tied.conversation_id
    UNION ALL
    SELECT 'absent', user_id, md5('absent conversation')::uuid, last_seq + 1 FROM ranked WHERE rank = 1)
SELECT chosen.parameter_class, chosen.user_id AS caller_id, chosen.id AS conversation_id, chosen.user_id,
       chosen.before_seq,
       coalesce(edge.created_at, '9999-12-31 00:00:00+00'::timestamptz) AS before_created_at,
       coalesce(edge.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) AS before_message_id,
       -- How many come before the page in the order of time and id.
       (SELECT count(*)
          FROM chat_messages newer
         WHERE newer.conversation_id = chosen.id AND (newer.created_at, newer.id) >= (edge.created_at, edge.id)
       )::integer AS page_offset
  FROM chosen
  LEFT JOIN chat_messages edge ON edge.conversation_id = chosen.id AND edge.seq = chosen.before_seq
 ORDER BY chosen.parameter_class
