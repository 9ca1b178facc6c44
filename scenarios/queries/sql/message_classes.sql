-- purpose: Senders and client ids: of a message that is stored, and of one that is not.
WITH stored AS (
    SELECT m.sender_id, m.client_id
      FROM (SELECT id FROM conversations WHERE last_seq > 0 ORDER BY last_seq DESC, id LIMIT 1) AS hot
      JOIN chat_messages m ON m.conversation_id = hot.id
      JOIN conversation_participants p
        ON p.conversation_id = m.conversation_id AND p.user_id = m.sender_id AND p.left_at IS NULL
     ORDER BY m.seq DESC
     LIMIT 1)
SELECT 'stored' AS parameter_class, sender_id AS caller_id, sender_id, client_id FROM stored
UNION ALL
SELECT 'absent', sender_id, sender_id, md5('absent message')::uuid FROM stored
 ORDER BY parameter_class
