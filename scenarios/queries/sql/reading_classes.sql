-- purpose: The member who is furthest behind in a conversation, and all that they have still to read there.
WITH reader AS (
    SELECT c.id, c.last_seq, p.user_id, p.last_read_seq
      FROM conversation_participants p
      JOIN conversations c ON c.id = p.conversation_id
     WHERE p.left_at IS NULL
     ORDER BY c.last_seq - p.last_read_seq DESC, c.id, p.user_id
     LIMIT 1)
SELECT 'hot' AS parameter_class, user_id AS caller_id, id AS conversation_id, user_id,
       ARRAY(SELECT generate_series(last_read_seq + 1, last_seq)) AS each_seq
  FROM reader
 WHERE last_read_seq < last_seq
