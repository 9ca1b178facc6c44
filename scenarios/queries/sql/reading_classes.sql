-- purpose: The conversation with the most messages, and the member of it who has the most of them still to read.
WITH hot AS (SELECT id, last_seq FROM conversations ORDER BY last_seq DESC, id LIMIT 1),
reader AS (
    SELECT hot.id, hot.last_seq, p.user_id, p.last_read_seq
      FROM hot
      JOIN conversation_participants p ON p.conversation_id = hot.id AND p.left_at IS NULL
     ORDER BY p.last_read_seq, p.user_id
     LIMIT 1)
SELECT 'hot' AS parameter_class, user_id AS caller_id, id AS conversation_id, user_id,
       ARRAY(SELECT generate_series(last_read_seq + 1, last_seq)) AS each_seq
  FROM reader
 WHERE last_read_seq < last_seq
