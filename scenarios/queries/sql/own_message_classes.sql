-- purpose: The messages of the busiest sender in the conversation with the most messages.
WITH hot AS (SELECT id FROM conversations ORDER BY last_seq DESC, id LIMIT 1),
busiest AS (
    SELECT m.conversation_id, m.sender_id
      FROM chat_messages m
      JOIN hot ON hot.id = m.conversation_id
      JOIN conversation_participants p
        ON p.conversation_id = m.conversation_id AND p.user_id = m.sender_id AND p.left_at IS NULL
     GROUP BY m.conversation_id, m.sender_id
     ORDER BY count(*) DESC, m.sender_id
     LIMIT 1)
SELECT 'hot' AS parameter_class, sender_id AS caller_id, conversation_id, sender_id,
       ARRAY(SELECT m.seq
               FROM chat_messages m
              WHERE m.conversation_id = busiest.conversation_id AND m.sender_id = busiest.sender_id
              ORDER BY m.seq) AS each_seq
  FROM busiest
