-- purpose: A conversation to walk through: that with the longest tie among those of a walkable length, and its sender.
WITH walkable AS (
    SELECT c.id, c.last_seq
      FROM conversations c
     -- A few pages at least and forty at most: a guess at what a comparison can afford.
     WHERE c.last_seq BETWEEN 20 AND 2000),
tied AS (
    SELECT m.conversation_id, walkable.last_seq, count(*) AS tie_rows
      FROM chat_messages m
      JOIN walkable ON walkable.id = m.conversation_id
     GROUP BY m.conversation_id, walkable.last_seq, m.created_at),
chosen AS (
    SELECT conversation_id
      FROM tied
     ORDER BY tie_rows DESC, last_seq DESC, conversation_id
     LIMIT 1)
SELECT 'walk' AS parameter_class, p.user_id AS caller_id, p.conversation_id, p.user_id, p.user_id AS sender_id
  FROM chosen
  JOIN conversation_participants p ON p.conversation_id = chosen.conversation_id AND p.left_at IS NULL
 ORDER BY p.user_id
 LIMIT 1
