-- purpose: Pages deeper and deeper in the conversation with the most messages: by powers of four, then the deepest whole one.
WITH hot AS (
    SELECT c.id, c.last_seq,
           (SELECT p.user_id
              FROM conversation_participants p
             WHERE p.conversation_id = c.id AND p.left_at IS NULL
             ORDER BY p.user_id
             LIMIT 1) AS user_id
      FROM conversations c
     ORDER BY c.last_seq DESC, c.id
     LIMIT 1),
placed AS (
    SELECT m.id, m.seq, m.created_at, row_number() OVER (ORDER BY m.created_at DESC, m.id DESC) AS depth
      FROM chat_messages m
      JOIN hot ON hot.id = m.conversation_id),
wanted AS (
    SELECT 4 ^ power AS depth FROM generate_series(0, 15) AS power
    UNION
    SELECT last_seq - 50 FROM hot)
-- The page of 50 that begins below the message at each depth.
SELECT placed.depth::text AS parameter_class, hot.user_id AS caller_id, hot.id AS conversation_id, hot.user_id,
       placed.seq AS before_seq, placed.created_at AS before_created_at, placed.id AS before_message_id,
       placed.depth::integer AS page_offset
  FROM hot
 CROSS JOIN placed
  JOIN wanted ON wanted.depth = placed.depth
 WHERE placed.depth <= hot.last_seq - 50
 ORDER BY placed.depth
